# Everything sets itself up: `make demo` and `make test` need only python3 (with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Programs outside pytest that import `support` or `node`, packages of the tests.
WITH_TESTS := PYTHONPATH=tests $(BIN)/python

.PHONY: help demo test fuzz check format lock bench bench-cluster bench-crowd cases install-yaml clean \
	e2e cluster-build cluster-up cluster-test cluster-shell cluster-down

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 14

$(READY): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) (once, about half a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## Run the main job on an embedded registry: a Pod is injected, installs and uploads
	@$(BIN)/pypi-connector demo

test: $(READY) ## Run all tests that need no cluster: real pip, uv, twine, pypiserver and devpi
	@$(BIN)/python -m pytest --ignore=tests/api --ignore=tests/e2e

FUZZ_SECONDS ?= 600
fuzz: $(READY) ## Try generated input for FUZZ_SECONDS (600), on the pure parts and on a running sidecar
	@FUZZ_SECONDS=$(FUZZ_SECONDS) $(WITH_TESTS) -m fuzz

# On a real Kubernetes node, which the project makes itself, or on the cluster of KUBECONFIG: docs/cluster.md.
NODE_PROGRAM := $(WITH_TESTS) -m node
e2e: $(READY) ## Run the tests that need a cluster: on a node brought up for them, or on the cluster of KUBECONFIG
	@$(NODE_PROGRAM) test $(TESTS)

cluster-build: $(READY) ## Build Kubernetes for the node (once, about 15 minutes; needs Go)
	@$(NODE_PROGRAM) build

cluster-up: $(READY) ## Bring up a node to work on, or load changed images into it; needs root
	@$(NODE_PROGRAM) up

cluster-test: $(READY) ## Run tests on the node that is up: TESTS=tests/e2e/test_life.py
	@$(NODE_PROGRAM) run -- $(BIN)/python -m pytest $(or $(TESTS),tests/api tests/e2e)

cluster-shell: $(READY) ## Open a shell in the node's network, with kubectl: RUN='kubectl get pods -A' for one command
	@$(NODE_PROGRAM) run $(if $(RUN),-- bash -c '$(subst ','\'',$(value RUN))')

cluster-down: $(READY) ## Take the node down; only images in the cache stay
	@$(NODE_PROGRAM) down

check: $(READY) ## Lint, format, types, import layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(READY) ## Rewrite the sources as `make check` wants them
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(READY) ## Measure the proxy against nginx, haproxy, Caddy, Envoy and a direct client
	@$(BIN)/python -m benchmarks

bench-cluster: $(READY) ## Measure the product on a node of its own; needs Go and root, about 15 minutes
	@$(WITH_TESTS) -m benchmarks.cluster

bench-crowd: $(READY) ## Measure admission and broker with 12,200 Connectors, on an API server alone; 15 minutes
	@$(WITH_TESTS) -m benchmarks.cluster.crowd

cases: $(READY) ## Rewrite the expectations of tests/cases; the diff is what a reviewer reads
	@$(BIN)/python -m pytest tests/unit/webhook/pod/test_pod_cases.py tests/unit/webhook/explain/test_explanation_cases.py --rewrite-cases

KUBECTL ?= kubectl
install-yaml: ## Render manifests/overlays/default into build/install.yaml, for a release
	@mkdir -p build
	@$(KUBECTL) kustomize manifests/overlays/default > build/install.yaml.new
	@mv build/install.yaml.new build/install.yaml

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links --no-annotate
lock: $(READY) ## Resolve the lock files again (UPGRADE=1: to the newest versions)
	$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements/sidecar.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml --extra webhook -o requirements/webhook.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/devpi.in -o requirements/devpi.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/bench.in -o requirements/bench.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/mirrors.in -o requirements/mirrors.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/pulp.in -o requirements/pulp.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/build.in -o requirements/build.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/workload.in -o requirements/workload.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/registry.in -o requirements/registry.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/backends.in -o requirements/backends.txt
	for client in flit hatch pdm pipenv poetry; do $(LOCK) $(if $(UPGRADE),--upgrade) \
		requirements/client-$$client.in -o requirements/client-$$client.txt || exit; done
	$(LOCK) requirements/pip-oldest.in -o requirements/pip-oldest.txt
	for version in 1-27 1-28; do \
		$(LOCK) requirements/models-$$version.in -o requirements/models-$$version.txt || exit; done
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements/pip-newest.in -o requirements/pip-newest.txt

clean: ## Remove the environment and the files of the tools
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

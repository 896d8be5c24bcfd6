"""Connectors in order, with real clients: a private registry, an empty devpi, and a mirror."""

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.machine.environments import environment
from support.machine.ports import free_port
from support.pods.pod_runs import Runner
from support.servers import programs
from support.servers.programs import RegistryServer
from webhook.demo.containers import isolation_works
from webhook.demo.packages import make_wheel
from webhook.demo.stage import Stage, set_stage

pytestmark = pytest.mark.clients

RUN = secrets.token_hex(4)
"""In names: the ports of further connectors come from their names, and other runs have theirs"""
EMPTY, MIRROR, DOWN = f"empty-{RUN}", f"mirror-{RUN}", f"down-{RUN}"
CHAIN = f"team-pypi, {EMPTY}, {MIRROR}"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with set_stage() as found:
        yield found


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """It has a higher version of the private package, too."""
    with programs.pypiserver(tmp_path_factory.mktemp("mirror")) as server:
        assert server.packages is not None
        make_wheel(server.packages, "hello-connector", "9.9")
        make_wheel(server.packages, "only-mirrored", "1.0")
        yield server


@pytest.fixture(scope="module")
def registries(stage: Stage, mirror: RegistryServer, devpi: RegistryServer) -> None:
    down = RegistryServer(f"http://127.0.0.1:{free_port()}", "robot", "canary", "simple/")
    for name, server in ((EMPTY, devpi), (MIRROR, mirror), (DOWN, down)):
        for document in yaml.safe_load_all(server.manifests(name, "team-a")):
            if document["kind"] == "Connector":
                document["spec"]["params"].append({"name": "allowInsecureHTTP", "value": "true"})
            stage.cluster.apply(document)


@pytest.fixture
def pod(stage: Stage, registries: None, tmp_path: Path) -> Runner:
    return Runner(stage, tmp_path, isolate=isolation_works(tmp_path))


@pytest.fixture
def another(stage: Stage, registries: None, tmp_path: Path) -> Runner:
    return Runner(stage, tmp_path / "another", isolate=isolation_works(tmp_path))


def run(pod: Runner, script: str, *, connector: str = CHAIN, client: str = "", **further: Any) -> str:
    """What the Pod printed, after a success."""
    folder = environment(client) if client else None
    lines = ["set -eu", f"PATH={folder}/bin:$PATH" if folder else "", script]
    image = [folder] if folder else []
    outcome = pod.run("\n".join(lines), connector=connector, further_image=image, **further)
    assert outcome.exit_code == 0, pod.printed + pod.log
    assert outcome.search["found"] == []
    return pod.printed


def asked(pod: Runner, connector: str) -> list[tuple[str, int]]:
    """Package and status of the requests for a connector."""
    lines = [json.loads(line) for line in pod.log.splitlines()]
    requests = [line for line in lines if line.get("connector") == f"team-a/{connector}"]
    found = [(one["package"], one["status"]) for one in requests if one["message"] == "request"]
    return [pair for pair in found if pair[0] != "pip"]  # pip looks for a newer pip


CLIENTS = {
    "pip-oldest": "pip install --no-cache-dir --target site",
    "pip-newest": "pip install --no-cache-dir --target site",
    "": "uv pip install --no-cache --target site",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_each_project_comes_from_the_first_registry_that_has_it(pod: Runner, client: str) -> None:
    run(
        pod,
        f"{CLIENTS[client]} hello-connector only-mirrored\n"
        "grep 1.0 site/hello_connector.py; grep 1.0 site/only_mirrored.py",
        client=client,
    )
    assert ("only-mirrored", 302) in asked(pod, "team-pypi")
    assert ("only-mirrored", 302) in asked(pod, EMPTY)
    assert {package for package, _ in asked(pod, MIRROR)} == {"only-mirrored"}
    assert {status for package, status in asked(pod, MIRROR)} <= {200, 206}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_no_registry_has_is_not_found_after_the_last(pod: Runner, client: str) -> None:
    script = f"if {CLIENTS[client]} absent; then exit 1; fi"
    assert re.search("not found|No matching distribution", run(pod, script, client=client))
    assert asked(pod, MIRROR)[0] == ("absent", 404)


@pytest.mark.parametrize("client", CLIENTS)
def test_an_error_of_the_first_ends_the_search(pod: Runner, client: str) -> None:
    retries = "--retries 0 " if client else ""
    script = f"if {CLIENTS[client]} {retries}only-mirrored; then exit 1; fi"
    run(pod, script, client=client, connector=f"{DOWN}, {MIRROR}", UV_HTTP_RETRIES="0")
    assert {status for _, status in asked(pod, DOWN)} == {502}
    assert asked(pod, MIRROR) == []


PROJECT = """cat > pyproject.toml <<'END'
[project]
name = "by-uv"
version = "0"
requires-python = ">=3.11"
dependencies = ["hello-connector", "only-mirrored"]
END
"""


def test_a_lock_file_of_uv_is_stable_and_installs_in_another_pod(pod: Runner, another: Runner) -> None:
    """The other Pod's sidecar has read no page."""
    first = {"port": str(free_port())}
    printed = run(pod, f"{PROJECT}uv lock --no-cache\ncat uv.lock", annotations=first)
    lock = "version = " + printed.partition("\nversion = ")[2].strip() + "\n"
    assert set(re.findall(r'registry = "http://127\.0\.0\.1:(\d+)/simple/"', lock)) == {first["port"]}
    [port] = set(re.findall(r"http://127\.0\.0\.1:(\d+)/\S*only_mirrored", lock))
    assert port != first["port"]
    script = f"""{PROJECT}cat > uv.lock <<'END'
{lock}END
    cp uv.lock before; uv sync --frozen --no-cache
    .venv/bin/python -c 'import hello_connector, only_mirrored'
    echo FROZEN; curl -s "$PIP_INDEX_URL"frozen/ || true
    uv lock --no-cache; cmp uv.lock before; uv sync --locked --no-cache"""
    run(another, script, annotations=first)
    of_first = [package for package, _ in asked(another, "team-pypi")]
    assert of_first[: of_first.index("frozen")] == ["hello-connector"]
    assert asked(another, MIRROR)[0] == ("only-mirrored", 200)


PYPROJECT = """cat > pyproject.toml <<'END'
[project]
name = "another"
version = "0"
requires-python = ">=3.11,<4"
dependencies = ["hello-connector", "only-mirrored"]
[tool.poetry]
package-mode = false
[tool.pdm]
distribution = false
END
"""


FURTHER = {
    "client-poetry": """
        poetry source add --priority=primary connectors-pypi "$PIP_INDEX_URL"
        poetry lock; cp poetry.lock first; poetry lock; cmp poetry.lock first
        poetry sync; poetry run python -c 'import hello_connector, only_mirrored'
        """,
    "client-pdm": "pdm install; pdm run python -c 'import hello_connector, only_mirrored'",
    "client-pipenv": """
        rm pyproject.toml; pipenv install hello-connector only-mirrored
        pipenv run python -c 'import hello_connector, only_mirrored'
        """,
}


@pytest.mark.parametrize("client", FURTHER)
def test_further_clients_follow_the_order(pod: Runner, client: str) -> None:
    run(pod, f"export HOME=$PWD\n{PYPROJECT}{FURTHER[client]}", client=client)
    assert ("only-mirrored", 200) in asked(pod, MIRROR)
    assert "hello-connector" not in {package for package, _ in asked(pod, MIRROR)}


CACHING = {
    "pip-newest": "pip install --cache-dir cache --target",
    "": "uv pip install --cache-dir cache --target",
}


@pytest.mark.parametrize("client", CACHING)
def test_a_project_that_is_published_meanwhile_comes_from_the_private_registry(
    pod: Runner, mirror: RegistryServer, client: str
) -> None:
    """In a version that is lower than the mirror's. Caches of clients hold the mirror's page and file."""
    assert mirror.packages is not None
    name = f"later-{client or 'uv'}"
    make_wheel(mirror.packages, name, "9.9")
    install = CACHING[client]
    script = f"""
    {install} a {name}; {install} b {name}
    uv init --quiet --package {name}; uv build --quiet --wheel {name} --out-dir dist
    twine upload dist/*.whl
    {install} c {name}
    ls -d [abc]/*.dist-info
    """
    module = name.replace("-", "_")
    printed = run(pod, script, client=client)
    for folder, version in (("a", "9.9"), ("b", "9.9"), ("c", "0.1.0")):
        assert f"{folder}/{module}-{version}.dist-info" in printed


@pytest.mark.parametrize("options", ["", "--index connectors-pypi-team-a-team-pypi"])
def test_uv_publishes_what_only_a_later_registry_has(
    pod: Runner, mirror: RegistryServer, stage: Stage, options: str
) -> None:
    """uv asks for files of the same name before an upload, and refuses one of another content."""
    assert mirror.packages is not None
    name = f"in-both-{len(options)}"
    make_wheel(mirror.packages, name, "0.1.0")
    annotations = {"publish-connector": f"team-pypi, {MIRROR}"} if options else {}
    build = f"uv init --quiet --package {name}; uv build --quiet --wheel {name} --out-dir dist"
    publish = f"uv publish {options} dist/*.whl"
    printed = run(pod, f"{build}\n{publish}\n{publish} 2>&1", annotations=annotations)
    assert list(stage.packages.glob(f"{name.replace('-', '_')}-*"))
    assert "already exists" in printed
    assert asked(pod, MIRROR) == []

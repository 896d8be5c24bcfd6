"""Uninstalling leaves nothing that could block a Pod, and the product can be installed again at once.

The last of all modules (tests/e2e/conftest.py): while it runs, there is no product.
"""

import json
import time

from support.kubernetes.kube import Kube
from support.scenarios import product
from support.scenarios.scenes import (
    Registry,
    connector,
    container_status,
    job,
    pod,
    run_in,
    run_job,
    sidecar_lines,
    wait_for_phase,
)
from webhook import names

CLUSTER_WIDE = (
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "clusterroles",
    "clusterrolebindings",
    "customresourcedefinitions",
    "priorityclasses",
)


def leftovers(kube: Kube) -> list[str]:
    """What is there of the product beyond its namespace."""
    found = json.loads(kube.run("get", ",".join(CLUSTER_WIDE), "-o", "json").stdout)["items"]
    told = [f"{one['kind']} {one['metadata']['name']}" for one in found]
    return [one for one in told if "pypi-connector" in one or one.endswith(names.GROUP)]


def test_uninstalling_leaves_nothing_that_blocks_and_installing_again_works_at_once(
    installed: Kube, registry: Registry
) -> None:
    with installed.namespace(prefix="team") as namespace:
        installed.create(*connector("team-pypi", registry), namespace=namespace)
        ends = "until test -e /work/end; do sleep 0.2; done"
        installed.create(pod("running", ends, "team-pypi"), namespace=namespace)
        installed.create(
            pod("deleted", "trap 'exit 0' TERM; while true; do sleep 0.2; done", "team-pypi"),
            namespace=namespace,
        )
        installed.create(pod("from-before", "sleep 900", "team-pypi"), namespace=namespace)
        for name in ("running", "deleted", "from-before"):
            wait_for_phase(installed, namespace, name, "Running")
        assert len(leftovers(installed)) > 20, "what is looked for afterwards is found before"
        try:
            product.uninstall(installed)
            assert leftovers(installed) == []
            assert installed.find("namespace", names.NAMESPACE) is None

            installed.create(
                pod("plain", "true", None), pod("annotated", "true", "team-pypi"), namespace=namespace
            )
            for name in ("plain", "annotated"):
                found = wait_for_phase(installed, namespace, name, "Succeeded")
                assert "initContainers" not in found["spec"]

            installed.run("exec", "running", "-n", namespace, "-c", "main", "--", "touch", "/work/end")
            found = wait_for_phase(installed, namespace, "running", "Succeeded")
            assert container_status(found, names.SIDECAR)["state"]["terminated"]["exitCode"] == 0
            began = time.monotonic()
            installed.delete("pod", "deleted", namespace)
            assert time.monotonic() - began < 25, "below the 30 s after which the kubelet kills"
            assert_told_why(
                installed, namespace, reason="broker-unreachable", cause="the product is not installed"
            )
        finally:
            product.install(installed)
        # Connectors went with their definition; Secrets are the team's own, and stay
        assert installed.find("secret", "team-pypi", namespace) is not None
        installed.apply(*connector("team-pypi", registry), namespace=namespace)
        assert_told_why(
            installed, namespace, reason="broker-untrusted", cause="the product was installed anew since"
        )
        script = "pip install --quiet --target site hello-connector"
        outcome = run_job(installed, namespace, job("install", script, "team-pypi"))
        assert outcome.succeeded, outcome.log
        assert outcome.pod["metadata"]["labels"][names.INJECTED_LABEL] == "true"


def assert_told_why(kube: Kube, namespace: str, *, reason: str, cause: str) -> None:
    """The Pod from before asks in vain: its log and `explain` name the true cause and the way out."""
    asked = run_in(kube, namespace, "from-before", "pip download --retries 0 --no-deps hello-connector")
    assert asked.returncode != 0
    lines = sidecar_lines(kube.logs("from-before", namespace, names.SIDECAR))
    last = [one for one in lines if one["message"] == "request"][-1]
    assert (last["status"], last["reason"]) == (503, reason), last
    explained = product.explain(kube, namespace, "from-before")
    assert explained.returncode == 1
    assert cause in explained.stdout
    assert "delete the Pod and create it" in explained.stdout
    assert "NetworkPolicies" not in explained.stdout

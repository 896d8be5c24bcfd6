"""The node itself works, so that failures of other tests are the product's."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.kubernetes import clusters
from support.kubernetes.kube import Kube

PYTHON = "docker.io/library/python:3.13-slim"


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Nothing here needs the product."""
    with kube.namespace(prefix="node") as name:
        yield name


@pytest.fixture
def components() -> clusters.Components:
    return clusters.components()


def pod(name: str, program: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": PYTHON, "command": ["python3", "-c", program]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


SERVE = "from http.server import *; HTTPServer(('', 8080), SimpleHTTPRequestHandler).serve_forever()"


def run(kube: Kube, namespace: str, name: str, program: str) -> str:
    """What the program printed in a Pod of its own."""
    kube.create(pod(name, program), namespace=namespace)
    kube.run(
        "wait",
        f"pod/{name}",
        "-n",
        namespace,
        "--for=jsonpath={.status.phase}=Succeeded",
        "--timeout=60s",
        timeout=90,
    )
    return kube.logs(name, namespace)


def test_a_pod_reaches_a_service_by_its_name(kube: Kube, namespace: str) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    probe = {"httpGet": {"port": 8080}, "periodSeconds": 1}
    server = pod("server", SERVE)
    server["spec"]["containers"][0]["readinessProbe"] = probe
    kube.create(service, server, namespace=namespace)
    kube.wait_for_condition("pod", "server", "Ready", namespace)
    read = f"import urllib.request as u; print(u.urlopen('http://server.{namespace}.svc', timeout=30).status)"
    assert run(kube, namespace, "client", read) == "200\n"


def test_a_native_sidecar_does_not_keep_a_job_from_ending(kube: Kube, namespace: str) -> None:
    wait = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit()); time.sleep(600)"
    sidecar = {"name": "side", "image": PYTHON, "command": ["python3", "-c", wait], "restartPolicy": "Always"}
    template = {"spec": pod("job", "print('done')", initContainers=[sidecar])["spec"]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"template": template},
    }
    kube.create(job, namespace=namespace)
    kube.wait_for_condition("job", "job", "Complete", namespace)


def test_commands_run_in_a_container(kube: Kube, namespace: str) -> None:
    kube.create(pod("p", "import time; time.sleep(600)"), namespace=namespace)
    kube.wait_for_condition("pod", "p", "Ready", namespace)
    assert kube.run("exec", "p", "-n", namespace, "--", "python3", "-c", "print(6 * 7)").stdout == "42\n"
    kube.delete("pod", "p", namespace, now=True)


def test_memory_is_limited(kube: Kube, namespace: str) -> None:
    """So that what is said of the sidecar's limits is true here."""
    greedy = pod("greedy", "b'x' * 256 * 1024 * 1024")
    greedy["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Mi"}}
    kube.create(greedy, namespace=namespace)

    def exit_code() -> int | None:
        statuses = kube.get("pod", "greedy", namespace)["status"].get("containerStatuses", [])
        return next(
            (s["state"]["terminated"]["exitCode"] for s in statuses if "terminated" in s["state"]), None
        )

    # by SIGKILL. The reason is OOMKilled only where containerd sees the kernel's event before the exit
    assert kube.wait_for(exit_code) == 137


def test_the_api_server_comes_back_with_what_it_knew(
    kube: Kube, namespace: str, components: clusters.Components
) -> None:
    kube.run("create", "configmap", "kept", "-n", namespace, "--from-literal=key=value")
    components.restart("kube-apiserver")
    kept = kube.wait_for(lambda: kube.get("configmap", "kept", namespace), what="the API server")
    assert kept["data"] == {"key": "value"}


def test_an_unknown_component_is_refused_with_the_names_of_all_components(
    components: clusters.Components,
) -> None:
    with pytest.raises(AssertionError, match=r"runs no nginx; it runs .*kubelet"):
        components.restart("nginx")

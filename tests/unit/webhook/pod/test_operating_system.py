"""Each way to say Windows, and its neighbours that leave a Linux node."""

from typing import Any

import pytest

from webhook.pod.operating_system import windows_statement

BUILD = "node.kubernetes.io/windows-build"


def pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "app", **(container or {})}], **spec}}


def term(*expressions: tuple[str, str, list[str]]) -> dict[str, Any]:
    names = ("key", "operator", "values")
    return {"matchExpressions": [dict(zip(names, expression, strict=True)) for expression in expressions]}


def bound(*terms: dict[str, Any], **spec: Any) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return pod(affinity={"nodeAffinity": required}, **spec)


def windows_options(**options: Any) -> dict[str, Any]:
    return {"securityContext": {"windowsOptions": options}}


WINDOWS_TERM = term(("kubernetes.io/os", "In", ["windows"]))
LINUX_TERM = term(("kubernetes.io/os", "In", ["linux"]))

FOR_WINDOWS = {
    "os": pod(os={"name": "windows"}),
    "selector": pod(nodeSelector={"kubernetes.io/os": "windows"}),
    "beta selector": pod(nodeSelector={"beta.kubernetes.io/os": "windows"}),
    "selector of a build": pod(nodeSelector={BUILD: "10.0.20348"}),
    "affinity": bound(WINDOWS_TERM),
    "affinity, beta": bound(term(("beta.kubernetes.io/os", "In", ["windows"]))),
    "affinity, not Linux": bound(term(("kubernetes.io/os", "NotIn", ["linux", "darwin"]))),
    "affinity to a build": bound(term((BUILD, "In", ["10.0.20348"]))),
    "affinity to any build": bound(term((BUILD, "Exists", []))),
    "affinity to newer builds": bound(term((BUILD, "Gt", ["17763"]))),
    "one expression of a term": bound(term(("disk", "Exists", []), ("kubernetes.io/os", "In", ["windows"]))),
    "either, but not Linux": bound(
        term(("kubernetes.io/os", "In", ["linux", "windows"]), ("kubernetes.io/os", "NotIn", ["linux"]))
    ),
    "each term": bound(WINDOWS_TERM, term((BUILD, "Exists", []))),
    "beside an empty term": bound({}, {"matchExpressions": []}, WINDOWS_TERM),
    "affinity of a Pod that selects its disk": bound(WINDOWS_TERM, nodeSelector={"disk": "ssd"}),
    "host process": pod(**windows_options(hostProcess=True)),
    "host process of a container": pod(windows_options(hostProcess=True)),
    "host process of an init container": pod(
        initContainers=[{"name": "init", **windows_options(hostProcess=True)}]
    ),
    "pipe": pod(volumes=[{"name": "docker", "hostPath": {"path": "\\\\.\\pipe\\docker_engine"}}]),
    "drive": pod(volumes=[{"name": "logs", "hostPath": {"path": "C:\\logs"}}]),
    "drive, with slashes": pod(volumes=[{"name": "logs", "hostPath": {"path": "c:/logs"}}]),
    "mount": pod({"volumeMounts": [{"name": "cache", "mountPath": "C:\\cache"}]}),
}

MAY_RUN_ON_LINUX = {
    "nothing": pod(),
    "os": pod(os={"name": "linux"}),
    "selector": pod(nodeSelector={"kubernetes.io/os": "linux"}),
    "affinity": bound(LINUX_TERM),
    "affinity to either": bound(term(("kubernetes.io/os", "In", ["linux", "windows"]))),
    "one of two terms": bound(WINDOWS_TERM, LINUX_TERM),
    "one of two terms, which names a node": bound(
        WINDOWS_TERM, {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
    ),
    "any system": bound(term(("kubernetes.io/os", "Exists", []))),
    "not Windows": bound(term(("kubernetes.io/os", "NotIn", ["windows"]))),
    "not this build": bound(term((BUILD, "NotIn", ["10.0.20348"]))),
    "no build": bound(term((BUILD, "DoesNotExist", []))),
    "label of another": bound(term(("example.com/os", "In", ["windows"]))),
    "terms that match no node": bound({}),
    "preferred": pod(
        affinity={
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": WINDOWS_TERM}]
            }
        }
    ),
    "tolerated": pod(tolerations=[{"key": "os", "value": "windows", "effect": "NoSchedule"}]),
    "empty options": pod({"securityContext": {"windowsOptions": {}}}),
    "options that are off": pod(windows_options(hostProcess=False)),
    "options that may be for both": pod(**windows_options(runAsUserName="ContainerUser")),
    "host process beside a Linux selector": pod(
        windows_options(hostProcess=True), nodeSelector={"kubernetes.io/os": "linux"}
    ),
    "an option of the sidecar": pod(
        initContainers=[{"name": "pypi-connector", **windows_options(hostProcess=True)}]
    ),
    "path": pod(volumes=[{"name": "logs", "hostPath": {"path": "/c:/logs"}}]),
}


@pytest.mark.parametrize("pod", FOR_WINDOWS.values(), ids=FOR_WINDOWS)
def test_the_pod_is_for_windows(pod: dict[str, Any]) -> None:
    assert windows_statement(pod)


@pytest.mark.parametrize("pod", MAY_RUN_ON_LINUX.values(), ids=MAY_RUN_ON_LINUX)
def test_the_pod_may_run_on_linux(pod: dict[str, Any]) -> None:
    assert windows_statement(pod) is None

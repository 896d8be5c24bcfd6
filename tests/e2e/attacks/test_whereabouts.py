"""After all attacks, a search for the password everywhere (tests/e2e/conftest.py sets the order)."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.kubernetes import guards
from support.scenarios import attacks, scenes
from support.scenarios.attacks import CONNECTOR, ROOT, TWIN, VICTIM, Scene, idle_pod
from webhook import names

READABLE = (
    "pods,events,connectors,connectorclasses,configmaps,leases,jobs,deployments,replicasets,services,endpointslices,"
    "serviceaccounts,mutatingwebhookconfigurations,validatingadmissionpolicies,nodes,namespaces"
)


@pytest.mark.parametrize("container", ["main", ROOT, TWIN])
def test_no_container_of_the_workload_can_see_it(scene: Scene, container: str) -> None:
    """Variables, arguments and memory of its processes, every file, every answer of every port."""
    seen = scene.run("search", container=container, stdin=attacks.spellings(scene.registry))
    assert seen["found"] == []
    # the sidecar's process is not there to be looked into, nor its token by way of a process's root
    assert not any("sidecar" in command for command in seen["commands"])
    assert seen["tokens"] == []
    # and it did search
    assert seen["files"] > 1000
    assert seen["ports"] == sorted(scene.ports.values())
    statuses = [one.split(" ")[1] for one in seen["statuses"] if one]
    assert {"200", "403", "404", "405"} <= set(statuses), seen["statuses"]


def test_no_debugger_that_is_allowed_can_see_it(scene: Scene) -> None:
    """It shares only the processes of the workload's container."""
    command = ["debug", VICTIM, "-n", scene.namespace, f"--image={scenes.WORKLOAD}", "--container=allowed"]
    command += ["--profile=baseline", f"--target={ROOT}", "--", "sleep", "3600"]
    scene.author.run(*command)

    def runs() -> bool:
        status = scene.kube.get("pod", VICTIM, scene.namespace)["status"]
        return any("running" in one["state"] for one in status.get("ephemeralContainerStatuses") or [])

    scene.kube.wait_for(runs, what="the debugger")
    seen = scene.run("search", container="allowed", stdin=attacks.spellings(scene.registry))
    assert seen["found"] == []
    assert any("sleep 3600" in command for command in seen["commands"])
    assert not any("sidecar" in command for command in seen["commands"])


def test_no_object_but_its_secrets_holds_it(scene: Scene) -> None:
    texts = attacks.spellings(scene.registry)
    found = scene.kube.run("get", READABLE, "-A", "-o", "json", "--show-managed-fields").stdout
    objects = json.loads(found)["items"]
    assert [_title(one) for one in objects if any(text in json.dumps(one) for text in texts)] == []
    assert {"Pod", "Event", "Connector", "Lease", "MutatingWebhookConfiguration"} <= {
        one["kind"] for one in objects
    }
    secrets = scene.kube.list("secrets")
    places = {_title(one) for one in secrets if any(text in json.dumps(one) for text in texts)}
    # the search finds it where it is
    assert places == {
        f"Secret {scene.namespace}/{CONNECTOR}",
        f"Secret {scene.registry.namespace}/credential",
    }


def _title(one: scenes.Manifest) -> str:
    metadata = one["metadata"]
    return f"{one['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def test_no_log_holds_it(scene: Scene) -> None:
    texts = attacks.spellings(scene.registry)
    searched = 0
    for pod in scene.kube.list("pods"):
        place, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        log = scene.kube.run("logs", name, "-n", place, "--all-containers", check=False).stdout
        assert not any(text in log for text in texts), f"in the log of {place}/{name}"
        searched += bool(log)
    assert searched >= 4
    # they are logs of its use
    assert '"action":"file"' in scene.kube.logs(VICTIM, scene.namespace, names.SIDECAR)
    assert '"result": "granted"' in _broker_log(scene)


def _broker_log(scene: Scene) -> str:
    pods = [
        one["metadata"]["name"]
        for one in scene.kube.list("pods", names.NAMESPACE)
        if one["metadata"]["name"].startswith(names.BROKER)
    ]
    return "".join(scene.kube.logs(one, names.NAMESPACE) for one in pods)


def test_neither_status_nor_explanation_holds_it(scene: Scene) -> None:
    command = [sys.executable, "-m", "webhook", "explain", "-n", scene.namespace, VICTIM]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    described = scene.kube.run("describe", "connector", CONNECTOR, "-n", scene.namespace).stdout
    assert CONNECTOR in said.stdout, said.stderr
    for text in attacks.spellings(scene.registry):
        assert text not in said.stdout + said.stderr + described


@pytest.fixture
def unguarded(scene: Scene) -> Iterator[str]:
    """A namespace in which people get into our container, and whose Pod keeps the password in a variable."""
    policies = ("pypi-connector-exec", "pypi-connector-secret-reference")
    with scene.kube.namespace(prefix="unguarded") as name, guards.lifted(scene.kube, policies, name):
        scene.kube.create(attacks.RIGHTS, *scenes.connector(CONNECTOR, scene.registry), namespace=name)
        yield name


def test_the_same_search_finds_it_where_it_is(scene: Scene, unguarded: str) -> None:
    """In the sidecar's memory, in a variable, in a file: what the guards and this search are there for."""
    pod = idle_pod(
        "open", CONNECTOR, script='pip download -d /tmp hello-connector; echo "$A" > /tmp/a; exec sleep 3600'
    )
    reference = {"secretKeyRef": {"name": CONNECTOR, "key": "password"}}
    pod = attacks.edited(pod, {"env": [{"name": "A", "valueFrom": reference}]})
    author = scene.kube.as_user(attacks.AUTHOR, "system:authenticated")
    guards.until(
        author,
        lambda kube, namespace: kube.create(pod, namespace=namespace, check=False),
        unguarded,
        lambda result: result.returncode == 0,
    )
    scene.kube.wait_for(lambda: "Saved" in scene.kube.logs("open", unguarded, "main"))
    texts = attacks.spellings(scene.registry)

    def found(container: str) -> set[str]:
        seen = attacks.run_program(author, unguarded, "open", "search", container=container, stdin=texts)
        return set(seen["found"])

    assert {"environ of process 1", "file /tmp/a"} <= found("main")
    assert "memory of process 1" in scene.kube.wait_for(lambda: found(names.SIDECAR), what="exec to be open")

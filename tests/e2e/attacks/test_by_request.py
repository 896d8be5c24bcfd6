"""Requests of a Pod's author to the API server to get the credential, and their refusals."""

import pytest

from support.kubernetes.kube import Kube
from support.scenarios import attacks, scenes
from support.scenarios.attacks import CONNECTOR, VICTIM, Scene, edited, idle_pod
from support.scenarios.scenes import Manifest
from webhook import names

SECRET = {"name": CONNECTOR}
VARIABLE = {"name": "A", "valueFrom": {"secretKeyRef": {**SECRET, "key": "password"}}}
CSI = {"driver": "secrets.csi.example", "nodePublishSecretRef": SECRET}
BELONGS = f"Secret {CONNECTOR} belongs to Connector {CONNECTOR} and cannot be used by a Pod"
TOKEN = {"serviceAccountToken": {"audience": "pypi-connector", "path": "token"}}


def with_volume(pod: Manifest, **source: object) -> Manifest:
    mount = {"name": "v", "mountPath": "/v"}
    return edited(pod, {"volumeMounts": [mount]}, volumes=[{"name": "v", **source}])


def asking(name: str = "thief") -> Manifest:
    return idle_pod(name, CONNECTOR)


def mounting(volume: str, path: str) -> Manifest:
    return edited(asking(), {"volumeMounts": [{"name": volume, "mountPath": path}]})


def security(**context: object) -> Manifest:
    return edited(asking(), {"securityContext": context})


PODS: dict[str, tuple[Manifest, str]] = {
    "Secret in a variable": (edited(idle_pod("thief"), {"env": [VARIABLE]}), BELONGS),
    "Secret in all variables": (edited(idle_pod("thief"), {"envFrom": [{"secretRef": SECRET}]}), BELONGS),
    "Secret beside the connector": (edited(asking(), {"env": [VARIABLE]}), BELONGS),
    "Secret in a volume": (with_volume(idle_pod("thief"), secret={"secretName": CONNECTOR}), BELONGS),
    "Secret in a projected volume": (
        with_volume(idle_pod("thief"), projected={"sources": [{"secret": SECRET}]}),
        BELONGS,
    ),
    "Secret for a CSI driver": (with_volume(idle_pod("thief"), csi=CSI), BELONGS),
    "token in a volume of the author's": (
        with_volume(idle_pod("thief"), projected={"sources": [TOKEN]}),
        "a token for audience pypi-connector is projected by volume v: only the injected volume",
    ),
    "token in a volume beside the sidecar's": (
        with_volume(asking(), projected={"sources": [TOKEN]}),
        "a token for audience pypi-connector is projected by volume v: only the injected volume",
    ),
    "the sidecar's token mounted": (
        mounting(names.TOKEN_VOLUME, "/t"),
        "container main mounts pypi-connector-token, the sidecar's token: remove the mount",
    ),
    "the clients' files made writable": (
        mounting(names.CONFIG_VOLUME, "/c"),
        "container main mounts pypi-connector-config at /c writable",
    ),
    "shared process namespace": (
        edited(asking(), shareProcessNamespace=True),
        "shareProcessNamespace is set: the Pod's containers could read the sidecar's memory",
    ),
    "processes of the node": (
        edited(asking(), hostPID=True),
        "hostPID is set: the Pod could read the sidecar's memory",
    ),
    "network of the node": (
        edited(asking(), hostNetwork=True),
        "hostNetwork is set: the proxy would listen on the node's loopback interface",
    ),
    "privileged": (security(privileged=True), "container main is privileged"),
    "SYS_PTRACE": (security(capabilities={"add": ["SYS_PTRACE"]}), "container main adds SYS_PTRACE"),
    "files of the node": (
        with_volume(asking(), hostPath={"path": "/proc"}),
        "volume v is a hostPath: the node's files lead to other containers",
    ),
    "a container of our name": (
        edited(asking(), {"name": names.SIDECAR}),
        "a container of the Pod is named pypi-connector, which is the sidecar's name",
    ),
}


@pytest.mark.parametrize("attack", PODS)
def test_no_pod_is_made_that_reaches_for_the_credential(guarded: Scene, attack: str) -> None:
    pod, sentence = PODS[attack]
    assert sentence in guarded.author.refused(pod, namespace=guarded.namespace)


NO_EXEC = "into container pypi-connector of Pod "
NO_DEBUG = "an ephemeral container must not target container pypi-connector"
NO_MOUNT = "is mounted by container debugger: only container", "must not mount volume pypi-connector-token"
"""Guard 1 or guard 2: the API server says what the first one says, and their order is not fixed"""
NO_TOKEN = "a token for audience pypi-connector is issued to a kubelet for a Pod only, not to author"
FROZEN = "cannot be added, changed or removed once the Pod exists"
IMAGE = "the image of container pypi-connector cannot be changed once the Pod exists"
DEBUGGER = {"name": "debugger", "image": scenes.WORKLOAD, "command": ["sleep", "1"]}

COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "exec": (("exec", VICTIM, "-c", names.SIDECAR, "--", "cat", "/proc/1/environ"), "exec " + NO_EXEC),
    "attach": (("attach", VICTIM, "-c", names.SIDECAR), "attach " + NO_EXEC),
    "cp": (
        ("cp", f"{VICTIM}:/var/run/secrets/pypi-connector/token", "/dev/null", "-c", names.SIDECAR),
        "exec " + NO_EXEC,
    ),
    "debug": (
        ("debug", VICTIM, f"--image={scenes.WORKLOAD}", f"--target={names.SIDECAR}", "--profile=baseline"),
        NO_DEBUG,
    ),
    "debug a copy that shares its processes": (
        ("debug", VICTIM, "--copy-to=copy", "--share-processes", "--keep-annotations", "--container=main",
         "--", "sleep", "1"),
        "shareProcessNamespace is set",
    ),
    "token": (("create", "token", "default", "--audience=pypi-connector"), NO_TOKEN),
    "other image": (("set", "image", f"pod/{VICTIM}", f"{names.SIDECAR}={scenes.WORKLOAD}"), IMAGE),
    "other connector": (("annotate", "--overwrite", "pod", VICTIM, f"{names.CONNECTOR}=a/b"), FROZEN),
    "no connector": (("annotate", "pod", VICTIM, f"{names.CONNECTOR}-"), FROZEN),
    "no label": (("label", "pod", VICTIM, f"{names.INJECTED_LABEL}-"), FROZEN),
}  # fmt: skip


@pytest.mark.parametrize("attack", COMMANDS)
def test_nothing_is_done_to_the_running_sidecar(guarded: Scene, attack: str) -> None:
    command, sentence = COMMANDS[attack]
    result = guarded.author.run("-n", guarded.namespace, *command, check=False)
    assert result.returncode != 0, result.stdout
    assert sentence in result.stderr


def test_no_token_is_minted_for_the_running_pod(guarded: Scene) -> None:
    uid = guarded.kube.get("pod", VICTIM, guarded.namespace)["metadata"]["uid"]
    bound = ["--bound-object-kind=Pod", f"--bound-object-name={VICTIM}", f"--bound-object-uid={uid}"]
    command = ["create", "token", "default", "--audience=pypi-connector", *bound, "-n", guarded.namespace]
    result = guarded.author.run(*command, check=False)
    assert result.returncode != 0, result.stdout
    assert NO_TOKEN in result.stderr


@pytest.mark.parametrize(
    ("container", "sentences"),
    [
        ({"volumeMounts": [{"name": names.TOKEN_VOLUME, "mountPath": "/t"}]}, NO_MOUNT),
        ({"targetContainerName": names.SIDECAR}, (NO_DEBUG,)),
        ({"env": [VARIABLE]}, (BELONGS,)),
    ],
    ids=["token", "target", "secret"],
)
def test_no_ephemeral_container_reaches_the_credential(
    guarded: Scene, container: Manifest, sentences: tuple[str, ...]
) -> None:
    change = {"spec": {"ephemeralContainers": [{**DEBUGGER, **container}]}}
    result = guarded.author.patch(
        "pod",
        VICTIM,
        change,
        guarded.namespace,
        kind_of_patch="strategic",
        subresource="ephemeralcontainers",
        check=False,
    )
    assert result.returncode != 0, result.stdout
    assert any(one in result.stderr for one in sentences), result.stderr


def test_a_running_pod_is_not_annotated_afterwards(guarded: Scene) -> None:
    """It could be privileged, and no webhook would look at it."""
    guarded.author.create(idle_pod("stranger", script="true"), namespace=guarded.namespace)
    command = ("annotate", "pod", "stranger", f"{names.CONNECTOR}={CONNECTOR}", "-n", guarded.namespace)
    result = guarded.author.run(*command, check=False)
    assert result.returncode != 0, result.stdout
    assert FROZEN in result.stderr


def test_an_author_of_connectors_sends_nobodys_secret_to_their_server(guarded: Scene) -> None:
    """By a Connector of their own, or by another address for the team's."""
    spec = {
        "connectorClassName": names.CONNECTOR_CLASS,
        "address": "https://collector.example",
        "auth": {"name": names.AUTH_NAME, "secretRef": SECRET},
    }
    own = {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "metadata": {"name": "mine"},
        "spec": spec,
    }
    sentence = "a Connector must be allowed to get the Secrets that it names"
    assert sentence in guarded.declarer.refused(own, namespace=guarded.namespace)
    change = {"spec": {"address": "https://collector.example"}}
    result = guarded.declarer.patch("connector", CONNECTOR, change, guarded.namespace, check=False)
    assert result.returncode != 0, result.stdout
    assert sentence in result.stderr


def test_the_author_may_do_as_they_like_with_their_own_containers(guarded: Scene) -> None:
    """So the refusals above are not for want of permission."""
    author: Kube = guarded.author
    said = author.run("exec", VICTIM, "-n", guarded.namespace, "-c", "main", "--", "echo", "here").stdout
    assert said == "here\n"
    author.run("create", "token", "default", "--audience=vault", "-n", guarded.namespace)
    author.run("annotate", "pod", VICTIM, "team.example/note=x", "-n", guarded.namespace)
    attacks.run_program(author, guarded.namespace, VICTIM, "search", container="twin", stdin=["x" * 40])

"""Injectors with typed models older than Kubernetes 1.29, beside ours on a real API server.

Such models do not know the `restartPolicy` of a container, so their patches remove it from every native
sidecar. The API server calls ours again after that, and ours repairs its container. Only one kind of injector
has the last word: its name sorts after ours, and it is called again after our repair.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonpatch
import pytest

from node.api_server import AUDIT_LOG
from support.components.admissions import CONNECTOR, IMAGE, Process, pod, registered_admission
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.servers import injectors
from support.servers.injectors import Injector
from webhook import names
from webhook.grant.isolation import violations
from webhook.pod.settings import Settings

Json = dict[str, Any]
INJECTORS = [
    Injector(*choices)
    for choices in itertools.product(
        ("before", "after"), ("Never", "IfNeeded"), ("difference", "whole"), ("none", "variable", "container")
    )
]
LAST_WORD = [one for one in INJECTORS if (one.order, one.reinvocation) == ("after", "IfNeeded")]
REPAIRED = [one for one in INJECTORS if one not in LAST_WORD]
API_SERVERS_WORDS = "lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always"
OUR_WORDS = "Warning: another webhook dropped restartPolicy from container pypi-connector"


@pytest.fixture(scope="module")
def kube() -> Iterator[Kube]:
    """Not the shared API server: other webhooks there would have a say, and an audit log is read."""
    with clusters.api_server() as alone:
        yield alone


@pytest.fixture(scope="module")
def admission(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with registered_admission(kube, tmp_path_factory.mktemp("admission")) as process:
        yield process


@pytest.fixture(scope="module", autouse=True)
def _old_injectors(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with (
        injectors.serving("models-1-27", tmp_path_factory.mktemp("injector")) as server,
        injectors.registered(kube, *INJECTORS, server=server),
    ):
        yield


@pytest.fixture(scope="module")
def shared(kube: Kube, admission: Process) -> Iterator[str]:
    """The Connector as Pods of all namespaces name it."""
    with kube.namespace(prefix="shared") as namespace:
        kube.create(CONNECTOR, namespace=namespace)
        yield f"{namespace}/team-pypi"


@pytest.fixture(scope="module")
def reference(kube: Kube, shared: str) -> Json:
    """Our Pod without another webhook."""
    with kube.namespace() as namespace:
        return created(kube, users_pod(shared), namespace)


def users_pod(connector: str, **annotations: str) -> Json:
    """With fields that the old models know, and some that they do not."""
    own = {"name": "own", "image": "own.example/sidecar:1", "env": [{"name": "OWN", "value": ""}]}
    setup = {"name": "setup", "image": "own.example/setup:1", "command": ["setup"]}
    return pod(
        annotations={names.CONNECTOR: connector, **annotations},
        initContainers=[setup, {**own, "restartPolicy": "Always"}],
        securityContext={"appArmorProfile": {"type": "Unconfined"}, "runAsUser": 1000},
    )


def created(kube: Kube, manifest: Mapping[str, Any], namespace: str) -> Json:
    """As the API server keeps it, but for the random end of a volume's name."""
    kube.create(manifest, namespace=namespace)
    kept = json.dumps(kube.get("pod", manifest["metadata"]["name"], namespace))
    kube.delete("pod", manifest["metadata"]["name"], namespace, now=True)
    comparable: Json = json.loads(re.sub(r"kube-api-access-\w+", "kube-api-access", kept))
    return comparable


def containers(found: Json) -> dict[str, Json]:
    every = [*found["spec"]["initContainers"], *found["spec"]["containers"]]
    return {container["name"]: container for container in every}


def title(value: object) -> str:
    return value.key if isinstance(value, Injector) else str(value)


def assert_ours_is_whole(found: Json, reference: Json, injector: Injector) -> None:
    ours, expected = found["spec"]["initContainers"][0], reference["spec"]["initContainers"][0]
    added = [{"name": "OLD_INJECTOR", "value": "yes"}] if injector.addition == "variable" else []
    assert ours == {**expected, "env": [*expected["env"], *added]}
    volumes = {volume["name"]: volume for volume in found["spec"]["volumes"]}
    for volume in reference["spec"]["volumes"]:
        if volume["name"].startswith(names.SIDECAR):
            assert volumes[volume["name"]] == volume


def assert_others_are_as_the_injector_left_them(found: Json, alone: Json) -> None:
    """Ours adds variables and mounts to each container, and changes nothing else."""
    after, before = containers(found), containers(alone)
    assert set(after) == {*before, names.SIDECAR}
    for name, container in before.items():
        for field, value in container.items():
            if field in ("env", "volumeMounts"):
                assert [item for item in after[name][field] if item in value] == value
            else:
                assert after[name][field] == value, f"{field} of {name}"
        assert set(after[name]) <= {*container, "env", "volumeMounts"}
    changed = {field for field, value in alone["spec"].items() if found["spec"][field] != value}
    assert changed <= {"initContainers", "containers", "volumes", "imagePullSecrets"}


@pytest.mark.parametrize("injector", REPAIRED, ids=title)
def test_ours_has_the_last_word_and_repairs_its_container(
    kube: Kube, admission: Process, shared: str, reference: Json, injector: Injector
) -> None:
    with kube.namespace(injector.label) as namespace:
        found = created(kube, users_pod(shared), namespace)
        alone = created(kube, users_pod(shared, **{names.INJECT: "false"}), namespace)
    assert_ours_is_whole(found, reference, injector)
    settings = Settings(sidecar_image=IMAGE, allowed_images=(IMAGE,), broker_ca=(admission.ca,))
    assert violations(found, settings=settings) == []
    assert_others_are_as_the_injector_left_them(found, alone)
    # it breaks the user's own sidecar, with or without us: nothing of others is ours to repair
    assert "restartPolicy" not in containers(alone)["own"]


@pytest.mark.parametrize("injector", LAST_WORD, ids=title)
def test_an_injector_with_the_last_word_ends_in_a_refusal_and_a_sentence_of_ours(
    kube: Kube, shared: str, injector: Injector
) -> None:
    """The API server refuses the Pod before it asks any policy, guard 4 too. Its sentence names no cause."""
    with kube.namespace(injector.label) as namespace:
        said = kube.refused(users_pod(shared), namespace=namespace)
        assert OUR_WORDS in said
        assert "docs/guards.md" in said
        assert API_SERVERS_WORDS in said
        kube.create(users_pod(shared, **{names.INJECT: "false"}), namespace=namespace)


def test_old_injectors_on_both_sides_are_repaired(kube: Kube, shared: str, reference: Json) -> None:
    """The one before ours is called again, because the one after ours has changed the Pod."""
    both = [Injector("before", "IfNeeded", "whole"), Injector("after", "Never", "whole", "variable")]
    with kube.namespace({**both[0].label, **both[1].label}) as namespace:
        found = created(kube, users_pod(shared), namespace)
    assert_ours_is_whole(found, reference, both[1])


def test_a_repair_is_a_warning_a_field_of_the_log_and_an_audit_annotation(
    kube: Kube, admission: Process, shared: str
) -> None:
    injector = Injector("after", "Never")
    with kube.namespace(injector.label) as namespace:
        assert OUR_WORDS in kube.create(users_pod(shared), namespace=namespace).stderr
        lines = [line for line in admission.lines() if line.get("namespace") == namespace]
        assert [line.get("dropped") for line in lines] == [None, "restartPolicy"]
        annotations = audited(kube, namespace)
    assert annotations["pods.connectors.alauda.io/dropped"] == "restartPolicy"


def test_without_an_old_injector_there_is_no_such_sentence(
    kube: Kube, admission: Process, shared: str
) -> None:
    with kube.namespace() as namespace:
        assert kube.create(users_pod(shared), namespace=namespace).stderr == ""
        lines = [line for line in admission.lines() if line.get("namespace") == namespace]
        assert lines != []
        assert not any("dropped" in line for line in lines)
        assert "pods.connectors.alauda.io/dropped" not in audited(kube, namespace)


def audited(kube: Kube, namespace: str) -> dict[str, str]:
    """The annotations of the only Pod of the namespace in the API server's audit log."""
    log = kube.kubeconfig.with_name(AUDIT_LOG).read_text()
    events = [json.loads(line) for line in log.splitlines()]
    found = [event for event in events if event["objectRef"].get("namespace") == namespace]
    assert len(found) == 1
    annotations: dict[str, str] = found[0]["annotations"]
    return annotations


def mutations(annotations: Mapping[str, str]) -> list[tuple[str, str]]:
    """The round and the configuration of each webhook that changed the Pod, in the order of their calls."""
    prefix = "mutation.webhook.admission.k8s.io/round_"
    calls = []
    for key, value in annotations.items():
        if key.startswith(prefix):
            number, _, index = key.removeprefix(prefix).partition("_index_")
            called = json.loads(value)
            calls.append((int(number), int(index), called["configuration"], called["mutated"]))
    return [(f"round {number}", name) for number, _, name, mutated in sorted(calls) if mutated]


@pytest.mark.parametrize("injector", LAST_WORD[:1], ids=title)
def test_the_audit_log_names_the_injector_in_the_last_round(
    kube: Kube, shared: str, injector: Injector
) -> None:
    with kube.namespace(injector.label) as namespace:
        kube.refused(users_pod(shared), namespace=namespace)
        annotations = audited(kube, namespace)
    assert mutations(annotations) == [
        ("round 0", names.WEBHOOK_CONFIGURATION),
        ("round 0", injector.configuration),
        ("round 1", names.WEBHOOK_CONFIGURATION),
        ("round 1", injector.configuration),
    ]
    last = max(key for key in annotations if key.startswith("patch.webhook.admission.k8s.io/round_1"))
    assert json.loads(annotations[last])["webhook"] == injector.webhook
    assert {"op": "remove", "path": "/spec/initContainers/0/restartPolicy"} in json.loads(annotations[last])[
        "patch"
    ]


def test_managed_fields_name_no_webhook(kube: Kube, shared: str) -> None:
    """Nor could guard 4: they are of the user's own client."""
    injector = Injector("after", "Never")
    with kube.namespace(injector.label) as namespace:
        kube.create(users_pod(shared), namespace=namespace)
        shown = kube.run("get", "pod", "build", "-n", namespace, "-o", "json", "--show-managed-fields").stdout
    entries = json.loads(shown)["metadata"]["managedFields"]
    assert [entry["manager"] for entry in entries] == ["kubectl-create"]
    assert names.SIDECAR not in json.dumps(entries)


@pytest.mark.parametrize(("models", "dropped"), [("models-1-27", ["restartPolicy"]), ("models-1-29", [])])
def test_models_of_kubernetes_1_29_know_all_fields_of_ours(
    reference: Json, models: injectors.Models, dropped: list[str]
) -> None:
    """A newer field would be dropped by injectors that today do no harm."""
    ours = {
        "spec": {
            "initContainers": reference["spec"]["initContainers"][:1],
            "containers": [],
            "volumes": [one for one in reference["spec"]["volumes"] if one["name"].startswith(names.SIDECAR)],
        }
    }
    patch = jsonpatch.make_patch(ours, injectors.left_by(models, ours))
    assert [operation["path"].rpartition("/")[2] for operation in patch] == dropped

"""Every directory of tests/cases/pods: a whole Pod before, the whole Pod or the decision after, and the laws.

`pod.yaml` is the Pod that comes in, `after.yaml` the injected Pod. `decision.yaml` has reason, message and
warnings where there is more to say than "injected". `request.yaml` (namespace, its labels and annotations,
what its quotas bound, its LimitRanges, `csiDriver`) and `connectors.yaml` (else `default-connectors.yaml`)
replace the defaults. `make cases` rewrites the expectations.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.contract.environment import Environment
from sidecar.contract.words import CONFIG_DIR
from support.checkout import TESTS
from support.connectors.documents import read_connectors
from support.pods.foreign_parts import foreign
from support.pods.plain_yaml import Plain
from webhook import names
from webhook.connector.manifest import MaybeConnector
from webhook.grant.isolation import violations
from webhook.identifiers import ConnectorKey
from webhook.pod.csi_volumes import driver_volumes
from webhook.pod.decision import Decision, decide
from webhook.pod.namespace import NamespaceFacts, namespace_facts
from webhook.pod.patch import applied, operations
from webhook.pod.reasons import UNCONFINED, UNUSABLE, Reason
from webhook.pod.settings import Settings
from webhook.pod.shape import MIRROR_ANNOTATION, containers

CASES = TESTS / "cases" / "pods"
SETTINGS = Settings(
    sidecar_image="registry.example/pypi-connector-sidecar:1.0.0",
    allowed_images=(
        "registry.example/pypi-connector-sidecar:1.0.0",
        "mirror.example/pypi-connector-sidecar:1.0.0",
        "registry.example/pypi-connector-sidecar:0.9.0",
    ),
    broker_ca=("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",),
)


@dataclass(frozen=True, slots=True)
class Case:
    folder: Path
    pod: dict[str, Any]
    namespace: str
    facts: NamespaceFacts
    connectors: Mapping[ConnectorKey, MaybeConnector]
    has_csi_driver: bool

    @property
    def annotations(self) -> dict[str, str]:
        return (self.pod.get("metadata") or {}).get("annotations") or {}

    @property
    def asks_alone(self) -> bool:
        """Not by its Namespace, and no static Pod."""
        asks = names.CONNECTOR in self.annotations and MIRROR_ANNOTATION not in self.annotations
        return asks and not self.facts.is_opted_in

    def decide(self, pod: Mapping[str, Any]) -> Decision:
        return decide(
            pod,
            namespace=self.namespace,
            lookup=self.connectors.get,
            settings=SETTINGS,
            facts=self.facts,
            has_csi_driver=self.has_csi_driver,
        )


def read_case(folder: Path) -> Case:
    request_file = folder / "request.yaml"
    request = yaml.safe_load(request_file.read_text()) if request_file.exists() else {}
    own = folder / "connectors.yaml"
    return Case(
        folder=folder,
        pod=yaml.safe_load((folder / "pod.yaml").read_text()),
        namespace=request.get("namespace", "team-a"),
        facts=namespace_facts(
            request.get("namespaceLabels", {}),
            [
                {"spec": {"hard": dict.fromkeys(request.get("quotas", []), "100")}},
                *request.get("quotaObjects", []),
            ],
            request.get("limitRanges", []),
            request.get("namespaceAnnotations", {}),
        ),
        connectors=read_connectors(own if own.exists() else CASES / "default-connectors.yaml"),
        has_csi_driver=request.get("csiDriver", False),
    )


FOLDERS = sorted(path.parent for path in CASES.glob("*/pod.yaml"))


DECISIONS = {folder: read_case(folder).decide(read_case(folder).pod) for folder in FOLDERS}
INJECTED = [folder for folder in FOLDERS if DECISIONS[folder].reason is Reason.INJECTED]
NOT_SKIPPED = (Reason.INJECTED, Reason.LEFT_TO_DRIVER)
LET_THROUGH = [one for one in FOLDERS if DECISIONS[one].pod and DECISIONS[one].reason not in NOT_SKIPPED]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def case(request: pytest.FixtureRequest) -> Case:
    return read_case(request.param)


@pytest.fixture(params=INJECTED, ids=lambda folder: folder.name)
def served(request: pytest.FixtureRequest) -> Case:
    """A case whose Pod is injected."""
    return read_case(request.param)


@pytest.fixture
def injected(served: Case) -> dict[str, Any]:
    after = served.decide(served.pod).pod
    assert after is not None
    return after


def expectations(decision: Decision) -> dict[str, Any]:
    """File → document. `decision.yaml` repeats nothing that the Pod after injection shows."""
    summary = {"reason": decision.reason.value, "message": decision.message}
    if decision.warnings:
        summary["warnings"] = list(decision.warnings)
    if decision.pod is None:
        return {"decision.yaml": summary}
    return {"after.yaml": decision.pod} | ({"decision.yaml": summary} if decision.warnings else {})


def test_there_are_enough_cases() -> None:
    assert len(FOLDERS) >= 24


def test_a_pod_becomes_what_its_case_says(case: Case, request: pytest.FixtureRequest) -> None:
    decision = case.decide(case.pod)
    expected = expectations(decision)
    if request.config.getoption("--rewrite-cases"):
        for name in ("after.yaml", "decision.yaml"):
            (case.folder / name).unlink(missing_ok=True)
        for name, document in expected.items():
            text = yaml.dump(document, Dumper=Plain, sort_keys=False, width=110, allow_unicode=True)
            (case.folder / name).write_text(text)
    written = {
        path.name: yaml.safe_load(path.read_text())
        for path in case.folder.iterdir()
        if path.name in ("after.yaml", "decision.yaml")
    }
    assert written == expected


# -- the laws


def test_a_second_pass_changes_nothing(served: Case, injected: dict[str, Any]) -> None:
    again = served.decide(injected)
    assert again.pod == injected
    assert operations(injected, again.pod) == []
    assert again.message == served.decide(served.pod).message


def test_a_second_pass_after_the_api_servers_defaults_changes_nothing(
    served: Case, injected: dict[str, Any]
) -> None:
    defaulted = copy.deepcopy(injected)
    for container in containers(defaulted):
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        for entry in container.get("env", []):
            if entry.get("value") == "":
                del entry["value"]
    assert served.decide(defaulted).pod == defaulted


def test_the_patch_gives_the_pod_after(served: Case, injected: dict[str, Any]) -> None:
    patch = json.loads(json.dumps(operations(served.pod, injected)))
    assert applied(served.pod, patch) == injected


def test_the_input_is_not_changed(case: Case) -> None:
    before = copy.deepcopy(case.pod)
    case.decide(case.pod)
    assert case.pod == before


def test_a_fresh_pod_gets_additions_only(served: Case, injected: dict[str, Any]) -> None:
    if any(container.get("name") == names.SIDECAR for container in containers(served.pod)):
        return  # parts of an earlier pass are replaced, removed and moved
    changes = [change for change in operations(served.pod, injected) if change["op"] != "add"]
    # the only value of a user that may be extended
    extensions = [
        change for change in changes if change["op"] == "replace" and change["value"].endswith(",127.0.0.1")
    ]
    # the only source of a volume that may be taken away: an emptyDir takes its place
    replaced = [
        {"op": "remove", "path": f"/spec/volumes/{index}/csi"}
        for index, volume in enumerate(served.pod["spec"].get("volumes", []))
        if volume.get("csi", {}).get("driver") == names.CSI_DRIVER and not served.has_csi_driver
    ]
    assert changes == extensions + replaced
    assert bool(extensions) == (served.folder.name == "proxy-variables")


def test_foreign_parts_are_never_altered(served: Case, injected: dict[str, Any]) -> None:
    annotations = served.pod["metadata"].get("annotations", {}).keys() - {names.RESULT}
    replaced = [str(volume["name"]) for volume in driver_volumes(served.pod) if not served.has_csi_driver]
    before, after = (list(foreign(pod, annotations, replaced)) for pod in (served.pod, injected))
    assert after == before


def test_an_unknown_field_survives(served: Case) -> None:
    strange = copy.deepcopy(served.pod)
    for place in [strange, strange["metadata"], strange["spec"], *containers(strange)]:
        place["fieldOf2040"] = {"list": [None, 1.5]}
    after = served.decide(strange).pod
    assert after is not None
    for place in [after, after["metadata"], after["spec"]]:
        assert place["fieldOf2040"] == {"list": [None, 1.5]}
    unchanged = [str(container["name"]) for container in containers(after) if "fieldOf2040" in container]
    # our own container has its canonical form, without fields that no decision covers
    assert unchanged == [
        container["name"] for container in containers(after) if container["name"] != names.SIDECAR
    ]


def test_the_sidecar_reads_the_injected_environment(injected: dict[str, Any]) -> None:
    sidecar = injected["spec"]["initContainers"][0]
    assert sidecar["name"] == names.SIDECAR
    variables = {entry["name"]: entry["value"] for entry in sidecar["env"] if "value" in entry}
    environment = Environment.parse(variables)
    assert environment.config_dir == CONFIG_DIR
    for container in containers(injected):
        for mount in container.get("volumeMounts", []):
            if mount["name"] == names.CONFIG_VOLUME and "subPath" in mount:
                assert mount["subPath"] in environment.files  # a missing file would become a folder


def test_the_broker_accepts_an_injected_pod(injected: dict[str, Any]) -> None:
    assert violations(injected, settings=SETTINGS) == []


def test_each_reason_has_a_case() -> None:
    assert {decision.reason for decision in DECISIONS.values()} == set(Reason)


ASKING = [folder for folder in FOLDERS if read_case(folder).asks_alone]


@pytest.mark.parametrize("folder", ASKING, ids=lambda folder: folder.name)
def test_each_case_with_its_annotations_on_the_namespace(folder: Path) -> None:
    """Injected as before, or refused for what was asked, or let through for what the Pod is."""
    case, expected = read_case(folder), DECISIONS[folder]
    pod = copy.deepcopy(case.pod)
    asked = {key: case.annotations[key] for key in names.NAMESPACE_ANNOTATIONS if key in case.annotations}
    own = {key: text for key, text in case.annotations.items() if key not in (*asked, names.RESULT)}
    pod["metadata"]["annotations"] = own
    labels = {**case.facts.labels, names.INJECT: names.OPTED_IN}
    found = replace(case, facts=replace(case.facts, labels=labels, annotations=asked)).decide(pod)
    assert found.reason is expected.reason
    if expected.pod and found.pod:
        assert (found.pod["spec"], found.message) == (expected.pod["spec"], expected.message)
    else:
        asked_wrongly = {*UNUSABLE, Reason.EXTRA_INDEX} - {Reason.UNKNOWN_CONTAINER}
        assert found.allowed == (expected.reason not in asked_wrongly)


@pytest.mark.parametrize("folder", LET_THROUGH, ids=lambda folder: folder.name)
def test_a_pod_that_is_let_through_gets_the_reason_and_nothing_else(folder: Path) -> None:
    case = read_case(folder)
    decision = case.decide(case.pod)
    assert decision.pod is not None
    assert decision.allowed
    assert decision.warnings
    before, after = (list(foreign(pod, case.annotations, ())) for pod in (case.pod, decision.pod))
    assert after == before
    assert decision.pod["spec"] == case.pod["spec"]
    assert {change["op"] for change in operations(case.pod, decision.pod)} == {"add"}
    result = json.loads(decision.pod["metadata"]["annotations"][names.RESULT])
    assert result == {
        "decision": "skipped",
        "reason": decision.reason.value,
        "message": decision.message,
    }
    again = case.decide(decision.pod)
    assert (again.pod, again.reason) == (decision.pod, decision.reason)


def test_an_unconfined_pod_is_refused_without_the_label_of_its_namespace() -> None:
    folder = CASES / "allowed-unconfined"
    case = read_case(folder)
    assert case.decide(case.pod).reason is Reason.INJECTED
    refused = decide(case.pod, namespace=case.namespace, lookup=case.connectors.get, settings=SETTINGS)
    assert refused.reason in UNCONFINED

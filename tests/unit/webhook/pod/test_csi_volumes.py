"""CSI volumes: what they ask for, and what becomes of copies and of records by hand."""

import copy
import json

import pytest

from support.pods.csi_pods import (
    Pod,
    admitted,
    annotations,
    attributed,
    decision,
    files,
    lookup,
    pod_of,
    variables,
    volume,
)
from support.pods.isolation_edits import SETTINGS
from webhook import names
from webhook.connector.manifest import MaybeConnector, parse_connector
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import decide
from webhook.pod.reasons import Reason
from webhook.pod.request import parse_annotations

PYPI, UPLOADS = ConnectorKey("team", "pypi"), ConnectorKey("team", "uploads")


# -- what is asked for


@pytest.mark.parametrize(
    ("volumes", "asked"),
    [
        ([volume("pip")], ("team/pypi", "pipconf", None)),
        ([volume("rc", configurations="pypirc")], ("team/pypi", "pypirc", None)),
        ([attributed(connector_name="pypi")], ("team/pypi", "pipconf,pypirc", None)),
        ([volume("uv", configurations="uv")], ("team/pypi", "pipconf", None)),
        ([volume("rc", "uploads", "pypirc"), volume("pip")], ("team/pypi", "pipconf,pypirc", "team/uploads")),
        ([volume("pip"), volume("rc", configurations="pypirc")], ("team/pypi", "pipconf,pypirc", None)),
        (
            [attributed(connector_name="x", connector_namespace="other")],
            ("other/x", "pipconf,pypirc", None),
        ),
        (
            [attributed(connectors="b, other/a,b", configuration_names="pipconf")],
            ("team/b,other/a", "pipconf", None),
        ),
    ],
)
def test_volumes_become_annotations(volumes: list[Pod], asked: tuple[str | None, ...]) -> None:
    found = annotations(admitted(pod_of(*volumes)))
    kinds = (names.CONNECTOR, names.CONFIGURATIONS, names.PUBLISH_CONNECTOR)
    assert tuple(found.get(name) for name in kinds) == asked
    assert found[names.CONTAINERS] == "main"


def test_the_broker_reads_the_connectors_and_targets_of_volumes_in_the_annotations() -> None:
    pod = admitted(
        pod_of(volume("pip"), volume("rc", "uploads", "pypirc"), volume("more", "third", "pypirc"))
    )
    request = parse_annotations(annotations(pod), namespace="team")
    third = ConnectorKey("team", "third")
    assert set(request.keys) == {PYPI, UPLOADS, third}
    assert [request.takes_uploads(key) for key in (PYPI, UPLOADS, third)] == [False, True, True]
    assert request.connectors == (PYPI,), "volumes are no order of connectors"


def test_containers_without_such_a_volume_keep_their_clients() -> None:
    pod = admitted(pod_of(volume("pip")))
    assert "PIP_INDEX_URL" in variables(pod)
    assert variables(pod, 1) == {}
    everywhere = admitted(pod_of(volume("pip"), annotations={names.CONNECTOR: "pypi"}))
    assert "PIP_INDEX_URL" in variables(everywhere, 1)


def test_what_the_author_writes_beside_the_volumes_stays() -> None:
    own = {names.CONNECTOR: "uploads", names.CONFIGURATIONS: "pipconf"}
    pod = admitted(pod_of(volume("pip"), volume("rc", configurations="pypirc"), annotations=own))
    assert own.items() <= annotations(pod).items()
    assert names.PUBLISH_CONNECTOR not in annotations(pod)
    assert "TWINE_REPOSITORY_URL" not in variables(pod)
    assert ".pypirc" in files(pod)["rc"]


@pytest.mark.parametrize(
    "own",
    [
        {names.CONFIGURATIONS: "pipconf"},
        {names.CONTAINERS: "other"},
        {names.PUBLISH_CONNECTOR: "uploads"},
        {names.PORT: "8123"},
        {names.INJECT: "true"},
    ],
)
def test_other_annotations_work_beside_volumes_alone(own: dict[str, str]) -> None:
    pod = admitted(pod_of(volume("pip"), volume("rc", "uploads", "pypirc"), annotations=own))
    assert own.items() <= annotations(pod).items()


def test_a_container_asks_the_connector_of_its_own_volume() -> None:
    pod = pod_of(volume("pip"), volume("up", "uploads"))
    pod["spec"]["containers"][0]["volumeMounts"].pop()
    pod["spec"]["containers"][1]["volumeMounts"] = [{"name": "up", "mountPath": "/x"}]
    made = admitted(pod)
    first, second = (variables(made, number)["PIP_INDEX_URL"] for number in (0, 1))
    assert first in files(made)["pip"]["pip.conf"]
    assert second in files(made)["up"]["pip.conf"]
    assert first != second


def test_a_container_uploads_to_the_connector_of_its_own_volume() -> None:
    targets = [volume("one", configurations="pypirc"), volume("two", "uploads", "pypirc")]
    pod = pod_of(volume("pip"), *targets)
    pod["spec"]["containers"][0]["volumeMounts"].pop()
    pod["spec"]["containers"][1]["volumeMounts"] = [{"name": "two", "mountPath": "/x"}]
    made = admitted(pod)
    first, second = (variables(made, number)["TWINE_REPOSITORY_URL"] for number in (0, 1))
    assert f"repository = {first}\n" in files(made)["one"][".pypirc"]
    assert f"repository = {second}\n" in files(made)["two"][".pypirc"]
    assert first != second


def test_the_strictest_connector_of_volumes_rules_on_other_indexes() -> None:
    def strict(key: ConnectorKey) -> MaybeConnector:
        params = [{"name": "extraIndexes", "value": "refuse" if key == UPLOADS else "allow"}]
        spec = {"connectorClassName": "pypi", "address": "https://registry.example", "params": params}
        return parse_connector({"metadata": key._asdict(), "spec": spec})

    pod = pod_of(volume("pip"), volume("up", "uploads"))
    pod["spec"]["containers"][0]["env"] = [{"name": "PIP_EXTRA_INDEX_URL", "value": "https://x.example"}]
    made = decide(pod, namespace="team", lookup=strict, settings=SETTINGS)
    assert made.reason is Reason.EXTRA_INDEX
    assert "Connector team/uploads refuses indexes beside it" in made.message


@pytest.mark.parametrize(
    ("value", "is_ours"),
    [("/pip/pip.conf", True), ("/pip//pip.conf", True), ("/other/pip.conf", False), ("$(HOME)/x", False)],
)
def test_a_file_for_pip_in_a_volume_leaves_pip_to_the_connector(value: str, is_ours: bool) -> None:
    pod = pod_of(volume("pip"))
    pod["spec"]["containers"][0]["env"] = [{"name": "PIP_CONFIG_FILE", "value": value}]
    made = decision(pod)
    warned = any("sets PIP_CONFIG_FILE" in warning for warning in made.warnings)
    assert warned is not is_ours
    found = variables(admitted(pod))
    assert found["PIP_CONFIG_FILE"] == value
    assert ("PIP_INDEX_URL" in found) is is_ours


def test_mounts_become_read_only_in_every_container() -> None:
    pod = pod_of(volume("pip"), annotations={names.CONNECTOR: "pypi", names.CONTAINERS: "other"})
    pod["spec"]["initContainers"] = [
        {"name": "first", "volumeMounts": [{"name": "pip", "mountPath": "/x", "readOnly": False}]}
    ]
    made = admitted(pod)
    everyone = [*made["spec"]["initContainers"][1:], *made["spec"]["containers"]]
    mounts = [mount for one in everyone for mount in one["volumeMounts"] if mount["name"] == "pip"]
    assert [mount["readOnly"] for mount in mounts] == [True, True]


# -- copies, and records by hand


def test_a_copy_is_repaired() -> None:
    made = admitted(pod_of(volume("pip"), volume("rc", configurations="pypirc")))
    stale = copy.deepcopy(made)
    stale["spec"]["volumes"][0]["emptyDir"] = {}
    sidecar = stale["spec"]["initContainers"][0]
    sidecar["env"] = [one for one in sidecar["env"] if one["name"] != "SIDECAR_VOLUMES"]
    sidecar["volumeMounts"].pop()
    del stale["spec"]["containers"][0]["volumeMounts"][0]["readOnly"]
    assert admitted(stale) == made


@pytest.mark.parametrize(
    "other", [None, {"persistentVolumeClaim": {"claimName": "c"}}, {"secret": {"secretName": "s"}}]
)
def test_a_volume_that_is_no_longer_ours_is_left_alone(other: Pod | None) -> None:
    stale = admitted(pod_of(volume("pip"), volume("rc", configurations="pypirc")))
    stale["spec"]["volumes"] = [one for one in stale["spec"]["volumes"] if one["name"] != "rc"]
    mounts = stale["spec"]["containers"][0]["volumeMounts"]
    if other:
        stale["spec"]["volumes"].append({"name": "rc", **other})
    else:
        mounts[:] = [one for one in mounts if one["name"] != "rc"]
    made = admitted(stale)
    assert list(files(made)) == ["pip"]
    assert "rc" not in annotations(made)[names.CSI_VOLUMES]
    assert all(one["name"] != "rc" for one in made["spec"]["initContainers"][0]["volumeMounts"])
    assert not other or {"name": "rc", **other} in made["spec"]["volumes"]


def test_the_record_goes_with_the_last_volume() -> None:
    stale = admitted(pod_of(volume("pip"), annotations={names.CONNECTOR: "pypi"}))
    stale["spec"]["volumes"] = [one for one in stale["spec"]["volumes"] if one["name"] != "pip"]
    stale["spec"]["containers"][0]["volumeMounts"] = []
    assert names.CSI_VOLUMES not in annotations(admitted(stale))


def test_a_copy_in_another_namespace_keeps_its_connectors() -> None:
    made = admitted(pod_of(volume("pip")))
    moved = decide(made, namespace="elsewhere", lookup=lookup, settings=SETTINGS).pod
    assert moved == made


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "x", '{"v": 1}', '{"V": {}}', '{"v": {}}', '{"v": {"connectors": "A"}}'),
        *('{"v": {"x": "y"}}', "[" * 5000),
        json.dumps({f"v{number}": {"connectors": "a/b"} for number in range(9)}),
        *(
            json.dumps({name: {"connectors": "team/pypi"}})
            for name in (names.CONFIG_VOLUME, names.TOKEN_VOLUME, names.EMPTY_VOLUME)
        ),
    ],
)
def test_a_record_that_admission_did_not_write_is_refused(text: str) -> None:
    made = decision(pod_of(annotations={names.CONNECTOR: "pypi", names.CSI_VOLUMES: text}))
    assert made.reason is Reason.INVALID_ANNOTATION
    assert "is written by admission alone" in made.message


def test_a_record_by_hand_gives_what_a_volume_would_give() -> None:
    record = json.dumps({"pip": {"connectors": "team/pypi", "configuration.names": "pipconf"}})
    by_hand = {names.CONNECTOR: "pypi", names.CSI_VOLUMES: record}
    pod = pod_of({"name": "pip", "emptyDir": {}}, annotations=by_hand)
    assert admitted(pod) == admitted(pod_of(volume("pip"), annotations={names.CONNECTOR: "pypi"}))

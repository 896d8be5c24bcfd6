"""Pods and reviews of hostile size: each is answered at once, and so is the largest Pod that is served.

Five seconds are a bound, and no measurement: quadratic searches took 7 to 23.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from support.components.reviews import document, post_now
from webhook import names
from webhook.connector.manifest import parse_connector
from webhook.pod import request
from webhook.pod.decision import Decision, decide
from webhook.pod.obstacles import CONTAINERS_LIMIT, ENTRIES_LIMIT, VALUES_LIMIT
from webhook.pod.reasons import Reason
from webhook.pod.request import CONTAINER_NAMES_LIMIT, GROUP_ANNOTATIONS_LIMIT
from webhook.pod.sentences import MESSAGE_LIMIT, WARNINGS_LIMIT
from webhook.pod.settings import Settings

STUCK_SECONDS = 5.0
SETTINGS = Settings(sidecar_image="registry.example/sidecar:1", allowed_images=(), broker_ca=())
CONNECTOR = parse_connector(
    {
        "metadata": {"name": "pypi", "namespace": "team-a"},
        "spec": {"connectorClassName": "pypi", "address": "https://registry.example"},
    }
)


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    started = time.process_time()
    yield
    assert time.process_time() - started < STUCK_SECONDS


def asking(spec: Mapping[str, Any], **further: str) -> dict[str, Any]:
    of_pod = {f"{names.GROUP}/{name}": text for name, text in {"connector": "pypi", **further}.items()}
    return {"metadata": {"name": "build", "annotations": of_pod}, "spec": dict(spec)}


def containers(count: int, **fields: object) -> dict[str, Any]:
    return {"containers": [{"name": f"c{index}", **fields} for index in range(count)]}


def variables(count: int, prefix: str = "V") -> list[dict[str, str]]:
    return [{"name": f"{prefix}{index}", "value": "x"} for index in range(count)]


def mounts(count: int) -> list[dict[str, str]]:
    return [{"name": "v", "mountPath": f"/v{index}"} for index in range(count)]


def answer(pod: Mapping[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = post_now(document(object=pod)).json()["response"]
    return response


def test_an_injected_pod_is_not_too_large_for_a_second_pass() -> None:
    """Kubernetes may call a webhook again, and then our own entries are there already."""

    def reviewed(pod: Mapping[str, Any]) -> Decision:
        return decide(pod, namespace="team-a", lookup=lambda _: CONNECTOR, settings=SETTINGS)

    once = reviewed(asking(containers(150, env=variables(3))))
    assert once.pod is not None
    again = reviewed(once.pod)
    assert again.pod == once.pod, again.message


CSI = {"driver": names.CSI_DRIVER}
FOUR_LETTERS = ",".join(f"{index:04x}" for index in range(65_536))
HOSTILE: Mapping[str, tuple[dict[str, Any], str]] = {
    "containers and names": (
        asking(containers(3000, volumeMounts=mounts(1)), containers=FOUR_LETTERS),
        "InvalidAnnotation",
    ),
    "names": (asking(containers(1), containers=FOUR_LETTERS), "InvalidAnnotation"),
    "connectors": (asking(containers(1), connector=FOUR_LETTERS), "InvalidAnnotation"),
    "annotations of our group": (
        asking(containers(1), **{f"conector{index}": "" for index in range(20_000)}),
        "InvalidAnnotation",
    ),
    "containers": (asking(containers(8000)), "PodTooLarge"),
    "variables": (asking(containers(1, env=variables(80_000))), "PodTooLarge"),
    "mounts": (asking(containers(1, volumeMounts=mounts(40_000))), "PodTooLarge"),
    "ports": (asking(containers(1, ports=[{"containerPort": 1}] * 80_000)), "PodTooLarge"),
    "volumes": (
        asking({**containers(1), "volumes": [{"name": f"v{index}"} for index in range(60_000)]}),
        "PodTooLarge",
    ),
    "CSI volumes": (
        asking({**containers(1), "volumes": [{"name": f"v{n}", "csi": CSI} for n in range(40_000)]}),
        "InvalidVolume",
    ),
    "init containers": (
        asking({**containers(101), "initContainers": containers(100)["containers"]}),
        "PodTooLarge",
    ),
    "arguments": (
        asking({**containers(1), "initContainers": [{"name": "i", "args": ["x"] * 500_000}]}),
        "PodTooLarge",
    ),
    "empty lists": (asking({**containers(1), "tolerations": [[]] * 100_000}), "PodTooLarge"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_pod_of_hostile_size_is_refused_at_once(name: str) -> None:
    pod, reason = HOSTILE[name]
    response = answer(pod)
    assert (response["allowed"], response["status"]["reason"]) == (False, reason)
    assert "at most" in response["status"]["message"]


def test_volumes_of_an_installed_driver_are_not_marked_without_a_limit() -> None:
    volumes = [{"name": f"v{number}", "csi": CSI} for number in range(40_000)]
    pod = {"metadata": {"name": "build"}, "spec": {**containers(1), "volumes": volumes}}
    decision = decide(
        pod, namespace="team-a", lookup=lambda _: CONNECTOR, settings=SETTINGS, has_csi_driver=True
    )
    assert decision.reason is Reason.POD_TOO_LARGE


def test_a_connector_that_is_named_again_and_again_counts_once() -> None:
    assert answer(asking(containers(1), connector="pypi," * 500_000 + "pypi"))["allowed"]


@pytest.mark.parametrize("name", ["containers", "variables", "arguments", "empty lists"])
@pytest.mark.parametrize("further", [{}, {"inject": "false"}])
def test_a_large_pod_that_asks_for_nothing_is_let_through(name: str, further: dict[str, str]) -> None:
    of_pod = {f"{names.GROUP}/{key}": text for key, text in further.items()}
    response = answer({**HOSTILE[name][0], "metadata": {"annotations": of_pod}})
    assert response["allowed"]
    assert "patch" not in response


def largest() -> dict[str, Any]:
    """Init containers move by one place when the sidecar is put before them."""
    each = ENTRIES_LIMIT // CONTAINERS_LIMIT // 2
    half = CONTAINERS_LIMIT // 2
    members = [
        {"name": f"c{index}", "env": variables(each), "volumeMounts": mounts(each)}
        for index in range(CONTAINERS_LIMIT)
    ]
    selected = ",".join(f"c{index}" for index in range(CONTAINER_NAMES_LIMIT))
    pod = asking({"containers": members[half:], "initContainers": members[:half]}, containers=selected)
    spare = GROUP_ANNOTATIONS_LIMIT - 2
    pod["metadata"]["annotations"] |= {f"{names.GROUP}/conector{index}": "" for index in range(spare)}
    return pod


def test_the_largest_pod_is_injected_at_once() -> None:
    pod = largest()
    response = answer(pod)
    assert response["allowed"], response
    assert len(response["warnings"]) <= WARNINGS_LIMIT


def test_the_largest_pod_with_all_containers_is_injected_at_once() -> None:
    pod = largest()
    del pod["metadata"]["annotations"][names.CONTAINERS]
    assert answer(pod)["allowed"]


def test_arguments_up_to_the_limit_are_let_through_at_once() -> None:
    room = VALUES_LIMIT - 100
    response = answer(
        asking({**containers(1), "initContainers": [{"name": "i", "args": ["x"] * room}]}),
    )
    assert response["allowed"], response


@pytest.mark.parametrize("field", ["env", "volumeMounts"])
def test_an_entry_beyond_the_limit_is_refused(field: str) -> None:
    entries = variables if field == "env" else mounts
    assert answer(asking(containers(1, **{field: entries(ENTRIES_LIMIT)})))["allowed"]
    refused = answer(asking(containers(1, **{field: entries(ENTRIES_LIMIT + 1)})))
    assert refused["status"]["reason"] == "PodTooLarge"
    assert f"at most {ENTRIES_LIMIT}" in refused["status"]["message"]


def test_a_name_beyond_the_limit_is_refused() -> None:
    fitting = ",".join(f"c{index}" for index in range(CONTAINER_NAMES_LIMIT))
    assert answer(asking(containers(100), containers=fitting))["allowed"]
    refused = answer(asking(containers(100), containers=fitting + ",c99"))
    assert f"at most {CONTAINER_NAMES_LIMIT}" in refused["status"]["message"]


def test_an_annotation_beyond_the_limit_is_refused() -> None:
    spare = {f"other{index}": "" for index in range(GROUP_ANNOTATIONS_LIMIT - 1)}
    assert answer(asking(containers(1), **spare))["allowed"]
    refused = answer(asking(containers(1), **spare, more=""))
    assert f"at most {GROUP_ANNOTATIONS_LIMIT}" in refused["status"]["message"]


def test_the_search_for_suggestions_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def near(name: str, *_: object, **__: object) -> list[str]:
        compared.append(name)
        return []

    monkeypatch.setattr(request.difflib, "get_close_matches", near)
    spare = {f"other{index}": "" for index in range(GROUP_ANNOTATIONS_LIMIT - 1)}
    answer(asking(containers(1), **spare))
    assert len(compared) == request.SUGGESTIONS_LIMIT  # a review reads the annotations once


def test_thousands_of_problems_fit_into_a_message() -> None:
    volumes = [{"name": f"v{index}", "hostPath": {"path": "/"}} for index in range(4900)]
    refused = answer(asking({**containers(1), "volumes": volumes}))["status"]
    assert refused["reason"] == "HostPathVolume"
    assert len(refused["message"]) <= MESSAGE_LIMIT
    assert "volume v0 is a hostPath" in refused["message"]
    shown = refused["message"].count(" is a hostPath")
    assert refused["message"].endswith(f"\nand {4900 - shown} more problems")


def test_a_line_break_in_a_name_begins_no_problem() -> None:
    """Admission comes before validation: a name may hold anything."""
    refused = answer(asking({**containers(1), "volumes": [{"name": "v\nx\u2028y", "hostPath": {}}] * 2}))
    lines = refused["status"]["message"].splitlines()
    assert [line.partition(" is a")[0] for line in lines] == ["volume v x y"] * 2


def test_a_problem_as_long_as_the_pod_fits_into_a_message() -> None:
    refused = answer(asking(containers(1), port="1" * 1_000_000, connector="x" * 300_000))["status"]
    assert refused["reason"] == "InvalidAnnotation"
    assert len(refused["message"]) <= MESSAGE_LIMIT
    assert names.PORT in refused["message"]
    assert names.CONNECTOR in refused["message"]


def test_thousands_of_mismatches_fit_into_a_message() -> None:
    refused = answer(asking({"containers": [None] * 100_000}))["status"]
    assert refused["reason"] == "InvalidPod"
    assert len(refused["message"]) <= MESSAGE_LIMIT + len("this is no Pod: ")

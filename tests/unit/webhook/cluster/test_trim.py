"""The fields that stay of an object: the product reads them, and no author can make them large."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from webhook import names
from webhook.cluster import trim
from webhook.connector.conditions import TYPES
from webhook.status.connector_trim import spec_and_status
from webhook.status.report import MESSAGE_LIMIT

Json = dict[str, Any]

NOISE = "canary-noise" * 20_000
METADATA = {
    "namespace": "team",
    "name": "pypi",
    "uid": "u",
    "resourceVersion": "7",
    "generation": 2,
    "deletionTimestamp": "2026-01-01T00:00:00Z",
}
SPEC = {
    "connectorClassName": "pypi",
    "address": "https://pypi.example",
    "params": [{"name": "a", "value": "b"}],
}


def noisy(**fields: Any) -> Json:
    metadata = {
        **METADATA,
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": NOISE},
        "labels": {NOISE: "x"},
        "managedFields": [{"fieldsV1": {NOISE: {}}}],
        "ownerReferences": [{"name": NOISE}],
        "finalizers": [NOISE],
        "selfLink": NOISE,
    }
    return {"apiVersion": "v1", "kind": "Any", "metadata": metadata, **fields}


def condition(kind: str, message: str = "fine") -> Json:
    return {"type": kind, "status": "True", "reason": "Valid", "message": message, "observedGeneration": 2}


STATUS = {"observedGeneration": 2, "conditions": [condition(kind) for kind in TYPES], "other": NOISE}
ALLOW = {names.ALLOW_UNCONFINED: "true"}

CASES: dict[str, tuple[Callable[[Json], Json], Json, Json]] = {
    "presence": (trim.presence, noisy(spec=SPEC), {}),
    "Connector": (trim.connector, noisy(spec=SPEC, status=STATUS), {"spec": SPEC}),
    "spec_and_status Connector": (
        spec_and_status,
        noisy(spec=SPEC, status=STATUS),
        {"spec": SPEC, "status": {key: STATUS[key] for key in ("observedGeneration", "conditions")}},
    ),
    "new Connector": (spec_and_status, noisy(spec=SPEC), {"spec": SPEC}),
    "quota": (
        trim.quota,
        noisy(
            spec={"hard": {"limits.cpu": "4", "ephemeral-storage": "1", NOISE: "1", "pods": "1"}},
            status={"hard": {NOISE: "1", "cpu": "4"}, "used": {NOISE: "1", "cpu": "3"}},
        ),
        {"spec": {"hard": {"limits.cpu": "4"}}, "status": {"hard": {"cpu": "4"}, "used": {"cpu": "3"}}},
    ),
    "quota with scopes": (
        trim.quota,
        noisy(spec={"hard": {"limits.cpu": "4"}, "scopes": ["BestEffort"]}, status={"hard": {"cpu": "4"}}),
        {"spec": {"hard": {"limits.cpu": "4"}}},
    ),
    "LimitRange": (
        trim.limit_range,
        noisy(
            spec={
                "limits": [
                    {
                        "type": "Container",
                        "min": {"cpu": "1", "example/a": "1", "example/b": "1", f"example/{NOISE}": "1"},
                        "default": {"memory": "1Gi"},
                        "other": NOISE,
                    },
                    {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}},
                    {"type": "Pod", "maxLimitRequestRatio": {"memory": "2"}},
                ]
            }
        ),
        {
            "spec": {
                "limits": [
                    {
                        "type": "Container",
                        "min": {"cpu": "1", "example/a": "1", "example/b": "1"},
                        "default": {"memory": "1Gi"},
                    },
                    {"type": "Pod", "maxLimitRequestRatio": {"memory": "2"}},
                ]
            }
        },
    ),
    "Secret": (
        trim.secret,
        noisy(type="t", data={"username": "dQ==", "password": "cA==", "ca.crt": "Y2E=", "other": NOISE}),
        {"type": "t", "data": {"username": "dQ==", "password": "cA==", "ca.crt": "Y2E="}},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_only_the_fields_that_are_read_stay(name: str) -> None:
    cut, manifest, expected = CASES[name]
    trimmed = cut(manifest)
    assert trimmed == {"metadata": METADATA, **expected}
    assert "canary-noise" not in json.dumps(trimmed)


def test_the_deciding_label_of_a_namespace_stays() -> None:
    manifest = noisy()
    manifest["metadata"]["labels"] |= ALLOW
    assert trim.namespace(manifest) == {"metadata": {**METADATA, "labels": ALLOW}}


def opted_in(annotations: dict[str, str]) -> dict[str, Any]:
    manifest = noisy()
    manifest["metadata"]["labels"][names.INJECT] = names.OPTED_IN
    manifest["metadata"]["annotations"] |= annotations
    return manifest


def test_the_defaults_of_an_opted_in_namespace_stay() -> None:
    defaults = {names.CONNECTOR: "pypi", names.CONTAINERS: "app"}
    kept = {"labels": {names.INJECT: "enabled"}, "annotations": defaults}
    manifest = opted_in({**defaults, names.INJECT: "false", names.GROUP + "/x": "canary-noise"})
    assert trim.namespace(manifest) == {"metadata": {**METADATA, **kept}}
    manifest["metadata"]["labels"][names.INJECT] = "true"
    assert trim.namespace(manifest) == {"metadata": {**METADATA, "labels": {names.INJECT: "true"}}}


def test_large_defaults_of_a_namespace_are_not_stored() -> None:
    trimmed = trim.namespace(opted_in({names.CONNECTOR: "x" * (trim.DEFAULTS_LIMIT + 1)}))
    assert trim.is_abridged(trimmed)
    assert len(json.dumps(trimmed)) < 1000
    assert trimmed["metadata"]["labels"] == {names.INJECT: "enabled"}


def test_all_fields_of_a_pod_that_rules_check_stay() -> None:
    manifest = noisy(spec={"unheard-of": [1]}, status={"phase": "Running", "conditions": [NOISE]})
    ours = {names.CONNECTOR: "pypi"}
    manifest["metadata"]["annotations"] |= ours
    manifest["metadata"]["labels"][names.INJECTED_LABEL] = "true"
    metadata = {**METADATA, "annotations": ours, "labels": {names.INJECTED_LABEL: "true"}}
    assert trim.pod(manifest) == {
        "metadata": metadata,
        "spec": {"unheard-of": [1]},
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize("cut", [trim.connector, spec_and_status])
def test_a_large_spec_is_left_out_and_marked(cut: Callable[[Json], Json]) -> None:
    params = [{"name": "allowPackages", "value": "x " * (trim.SPEC_BYTES_LIMIT // 2)}]
    trimmed = cut(noisy(spec={**SPEC, "params": params}))
    assert trim.is_abridged(trimmed)
    assert "spec" not in trimmed
    assert not trim.is_abridged(cut(noisy(spec=SPEC)))


def test_foreign_conditions_stay_in_their_place_unless_they_are_large() -> None:
    small, large = condition("Mirrored"), condition("Flooded", NOISE)
    ours = [condition(kind) for kind in TYPES]
    mixed = [ours[0], small, *ours[1:]]
    trimmed = spec_and_status(noisy(spec=SPEC, status={"conditions": mixed}))
    assert trimmed["status"]["conditions"] == mixed
    assert not trim.is_abridged(trimmed)
    trimmed = spec_and_status(noisy(spec=SPEC, status={"conditions": [large, *mixed]}))
    assert trimmed["status"]["conditions"] == ours
    assert trim.is_abridged(trimmed)


def test_a_long_foreign_message_is_cut_and_still_differs_from_ours() -> None:
    trimmed = spec_and_status(noisy(spec=SPEC, status={"conditions": [condition("Ready", NOISE)]}))
    assert len(trimmed["status"]["conditions"][0]["message"]) == MESSAGE_LIMIT + 1


@pytest.mark.parametrize(
    "cut",
    [trim.presence, trim.connector, spec_and_status, trim.quota, trim.limit_range, trim.secret, trim.pod],
)
def test_an_empty_object_is_cut_as_well(cut: Callable[[Json], Json]) -> None:
    """A bookmark is such an object."""
    assert cut({"metadata": {"resourceVersion": "7"}})["metadata"]["resourceVersion"] == "7"
    assert cut({})["metadata"].get("resourceVersion") is None

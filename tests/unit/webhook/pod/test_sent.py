"""Which volumes the author of a Pod sent, from records of any shape."""

from typing import Any

import pytest

from webhook.pod.sent import is_added_volume


def recorded(*volumes: object) -> dict[str, Any]:
    return {"fieldsV1": {"f:spec": {"f:containers": {}, "f:volumes": {key: {} for key in volumes}}}}


OWN = 'k:{"name":"own"}'


def test_a_volume_without_a_record_beside_others_with_one_is_added() -> None:
    pod = {"metadata": {"managedFields": [recorded(".", OWN), {"fieldsV1": {"f:metadata": {}}}]}}
    assert is_added_volume(pod, "agent")
    assert not is_added_volume(pod, "own")


def test_a_volume_of_any_owner_is_sent() -> None:
    pod = {"metadata": {"managedFields": [recorded('k:{"name":"agent"}'), recorded(OWN)]}}
    assert not is_added_volume(pod, "own")


def test_an_author_of_no_volume_sent_none() -> None:
    assert is_added_volume(
        {"metadata": {"managedFields": [{"fieldsV1": {"f:spec": {"f:containers": {}}}}]}}, "own"
    )


@pytest.mark.parametrize(
    "entries",
    [
        None,
        [],
        {},
        "x",
        ["x", None],
        [{}],
        [{"fieldsV1": None}],
        [{"fieldsV1": {"f:spec": []}}],
        [{"fieldsV1": {"f:spec": {}}}],
    ],
)
def test_without_a_record_nobody_is_accused(entries: Any) -> None:
    assert not is_added_volume({"metadata": {"managedFields": entries}}, "own")
    assert not is_added_volume({}, "own")

"""A Connector's status: the patch for each report, and no patch where nothing changed."""

from typing import Any

import pytest
import yaml

from support.checkout import ROOT
from webhook.connector.conditions import TYPES, Observed, Probe, conditions
from webhook.connector.proxy_address import ProxyAddress
from webhook.connector.reasons import ConnectorReason
from webhook.errors import Problem
from webhook.status.report import (
    CONDITIONS_LIMIT,
    FOREIGN_LIMIT,
    MESSAGE_LIMIT,
    Report,
    status_patch,
)
from webhook.status.reported import (
    Versions,
    condition,
    is_current,
    reported_probe,
    reported_versions,
)

CRD = ROOT / "manifests/crd/connectors.yaml"
URL = "http://127.0.0.1:28100/simple/"
OK = Probe("ok", "status code 200")
REFUSED = Probe("refused", "status code 401")
THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def connector(status: dict[str, Any] | None = None, *, generation: int = 1) -> dict[str, Any]:
    metadata = {"namespace": "a", "name": "pypi", "generation": generation, "resourceVersion": "5"}
    return {"metadata": metadata, **({} if status is None else {"status": status})}


def report(probe: Probe | None = OK, *problems: Problem, versions: Versions | None = None) -> Report:
    result = conditions(Observed(problems, True, True, probe, ProxyAddress(URL)))
    return Report(result, URL, versions or Versions("s.1", "c.1"))


def reported(probe: Probe | None = OK, *problems: Problem, generation: int = 1) -> dict[str, Any]:
    """The Connector after this report was written into its status."""
    patch = status_patch(connector(generation=generation), report(probe, *problems), THEN)
    assert patch is not None
    return connector(patch["status"], generation=generation)


def test_the_first_status_has_every_condition_in_order() -> None:
    result = reported(None)["status"]
    assert [item["type"] for item in result["conditions"]] == list(TYPES)
    assert {item["lastTransitionTime"] for item in result["conditions"]} == {THEN}
    assert {item["observedGeneration"] for item in result["conditions"]} == {1}
    assert result["observedGeneration"] == 1
    assert result["proxy"] == {"httpAddress": {"url": URL}}
    assert condition({"status": result}, "Ready")["status"] == "Unknown"


def test_a_patch_holds_plain_texts() -> None:
    """A cache shares the texts that it sees, and `sys.intern` refuses a member of an enumeration."""
    problem = Problem(ConnectorReason.SECRET_NOT_FOUND, "gone")
    for result in (reported(), reported(None), reported(REFUSED), reported(None, problem)):
        texts = {type(text) for item in result["status"]["conditions"] for text in item.values()}
        assert texts == {str, int}


def test_nothing_is_written_where_nothing_changed() -> None:
    assert status_patch(reported(), report(), NOW) is None


def test_an_empty_field_that_was_left_out_is_no_difference() -> None:
    before = reported()
    del before["status"]["observedSecretVersion"]
    assert status_patch(before, report(versions=Versions("", "c.1")), NOW) is None


def test_a_time_changes_with_the_status_only() -> None:
    patch = status_patch(reported(), report(REFUSED), NOW)
    assert patch is not None
    times = {item["type"]: item["lastTransitionTime"] for item in patch["status"]["conditions"]}
    changed = {"AuthReady", "Ready"}
    assert times == {kind: NOW if kind in changed else THEN for kind in TYPES}


def test_another_reason_or_message_leaves_the_time_as_it_was() -> None:
    before = reported(Probe("unreachable", "connection refused"))
    patch = status_patch(before, report(Probe("unreachable", "no answer within 10 s")), NOW)
    assert patch is not None
    [liveness] = [item for item in patch["status"]["conditions"] if item["type"] == "LivenessReady"]
    assert liveness["message"] == "no answer within 10 s"
    assert liveness["lastTransitionTime"] == THEN


def test_a_new_generation_is_written_everywhere_and_changes_no_time() -> None:
    before = {**reported(), "metadata": connector(generation=2)["metadata"]}
    assert not is_current(before)
    patch = status_patch(before, report(), NOW)
    assert patch is not None
    assert {item["observedGeneration"] for item in patch["status"]["conditions"]} == {2}
    assert {item["lastTransitionTime"] for item in patch["status"]["conditions"]} == {THEN}


def test_the_fields_of_other_writers_stay() -> None:
    foreign = {"type": "Mirrored", "status": "True", "reason": "x", "unknown": 1}
    before = reported()
    before["status"]["conditions"].insert(0, foreign)
    before["status"]["other"] = 1
    before["status"]["proxy"]["httpAddress"]["other"] = 1
    assert status_patch(before, report(), NOW) is None
    patch = status_patch(before, report(REFUSED), NOW)
    assert patch is not None
    assert patch["status"]["conditions"][0] == foreign
    # a merge patch leaves other fields alone
    assert "other" not in patch["status"]


def foreign(number: int) -> list[dict[str, Any]]:
    return [{"type": f"Other{chr(65 + index)}", "status": "True", "reason": "x"} for index in range(number)]


@pytest.mark.parametrize("forged", range(len(TYPES) + 1))
@pytest.mark.parametrize("others", [FOREIGN_LIMIT - 1, FOREIGN_LIMIT, FOREIGN_LIMIT + 1, CONDITIONS_LIMIT])
@pytest.mark.parametrize("is_ours_first", [False, True])
def test_foreign_conditions_leave_room_for_each_of_ours(
    others: int, forged: int, is_ours_first: bool
) -> None:
    """The limit of the kind, with conditions of other writers and in our name. A longer list is refused."""
    ours = [{"type": kind, "status": "False", "reason": "Forged"} for kind in TYPES[:forged]]
    by_others = foreign(min(others, CONDITIONS_LIMIT - forged))
    stored = ours + by_others if is_ours_first else by_others + ours
    patch = status_patch(connector({"conditions": stored}), report(), NOW)
    assert patch is not None
    written = patch["status"]["conditions"]
    assert len(written) <= CONDITIONS_LIMIT
    assert [item for item in written if item["type"] not in TYPES] == by_others[:FOREIGN_LIMIT]
    assert [item["status"] for item in written if item["type"] in TYPES] == ["True"] * len(TYPES)
    # and no writer restores its conditions again and again
    assert status_patch(connector(patch["status"]), report(), NOW) is None


def test_the_limit_of_conditions_is_the_kinds() -> None:
    kind = yaml.safe_load(CRD.read_text())
    schema = kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert schema["properties"]["conditions"]["maxItems"] == CONDITIONS_LIMIT


def test_a_patch_holds_the_version_that_it_was_computed_from() -> None:
    patch = status_patch(connector(), report(), NOW)
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "5"}


def test_a_long_message_is_cut() -> None:
    before = reported(OK, Problem("InvalidAddress", "x" * 5000))
    assert len(condition(before, "Ready")["message"]) == MESSAGE_LIMIT


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (reported(OK), OK),
        (reported(REFUSED), REFUSED),
        (reported(Probe("unreachable", "timed out")), Probe("unreachable", "timed out")),
        (reported(Probe("foreign", "a sign-in page")), Probe("foreign", "a sign-in page")),
        (reported(None), None),
        (reported(None, Problem("SecretNotFound", "gone")), None),
        ({**reported(OK), "metadata": connector(generation=2)["metadata"]}, None),
        (connector(), None),
        (connector({"conditions": "nonsense"}), None),
    ],
)
def test_a_successor_reads_the_last_probe_of_its_predecessor(
    before: dict[str, Any], expected: Probe | None
) -> None:
    assert reported_probe(before) == expected


def test_a_successor_reads_which_secrets_were_looked_at() -> None:
    assert reported_versions(reported()) == Versions("s.1", "c.1")
    assert reported_versions(connector()) == Versions("", "")

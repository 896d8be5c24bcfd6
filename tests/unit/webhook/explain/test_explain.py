"""`explain` in its parts: targets, ages, log lines, and text of others."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.pods.explanations import NOW, facts_of, printed
from webhook.errors import InputError
from webhook.explain.command import absence
from webhook.explain.explanation import explain
from webhook.explain.facts import ago, parse_log
from webhook.explain.sidecar_lines import use_of
from webhook.explain.workloads import parse_target

Json = dict[str, Any]


def line(seconds_ago: float, **fields: Any) -> Json:
    """The fields of a request's log line that `explain` reads."""
    time = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    common = {"message": "request", "connector": "team/pypi", "method": "GET", "status": 200}
    return {"time": time, **common, "action": "file", **fields}


def test_a_pods_author_cannot_control_the_readers_terminal() -> None:
    escape = "\x1b]0;owned\x07\x9b31m"
    served = facts_of("served")
    facts = replace(served, log=[*served.log, line(4, action="index", package=f"x{escape}", status=404)])
    text = printed(explain(facts))
    assert "owned" in text
    assert all(character.isprintable() or character == "\n" for character in text)


def of_no_pod(*owners: tuple[str, str]) -> str:
    """The sentence about a missing Pod, where these owners could not create their Pods."""
    creations = [
        {"reason": "FailedCreate", "involvedObject": {"kind": kind, "name": name}, "message": "failed"}
        for kind, name in owners
    ]
    return str(absence(replace(facts_of("served"), pod=None, creations=creations)))


def test_a_missing_pod_may_have_failed_to_be_created() -> None:
    assert of_no_pod() == 'pods "build-7" not found in namespace "team"'
    assert of_no_pod(("ReplicaSet", "web.a-1"), ("Job", "x"), ("Job", "x")) == (
        f"{of_no_pod()}; Pods of replicaset/web.a-1, job/x could not be created: "
        "try `pypi-connector explain -n team replicaset/web.a-1`"
    )


def test_each_problem_of_a_refused_pod_has_a_line_of_its_own() -> None:
    message = "denied the request: hostPID is set: remove hostPID\nconnector pip not found\nfix: run this"
    reference = {"kind": "ReplicaSet", "name": "build-7"}
    creation = {"reason": "FailedCreate", "involvedObject": reference, "message": message}
    explanation = explain(replace(facts_of("served"), pod=None, creations=[creation]))
    lines = printed(explanation).splitlines()[1:4]
    assert lines[0].endswith("denied the request: hostPID is set: remove hostPID")
    # marked as words of an Event: no line can pass for a fix of ours
    assert [line.strip() for line in lines[1:]] == ["! connector pip not found", "! fix: run this"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Job", "x`id`"),
        ("Job", "x; rm -r ~"),
        ("Job", "x$(id)"),
        ("Job", "x\ny"),
        ("Job", "x\n"),
        ("Job", "\x1b]0;owned\x07"),
        ("Job", "-x"),
        ("Job", "../x"),
        ("Job", "a..b"),
        ("Job", "X"),
        ("Job", "\uff58"),
        ("Job", ""),
        ("Job", "x" * 254),
        ("`id`", "x"),
        ("job; id #", "x"),
        ("Widget", "x"),
    ],
)
def test_no_command_is_composed_of_words_that_no_object_can_have(kind: str, name: str) -> None:
    """Every author of Events chooses these words, and the reader pastes the command."""
    assert of_no_pod((kind, name)) == of_no_pod()
    assert of_no_pod((kind, name), ("Job", "y")) == of_no_pod(("Job", "y"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (90000, "25 h"),
        (200000, "2 d"),
    ],
)
def test_ages_are_in_the_unit_that_a_person_would_use(seconds: int, text: str) -> None:
    assert ago(NOW, NOW - timedelta(seconds=seconds)) == f"{text} ago"


def test_lines_that_are_no_json_are_left_out() -> None:
    text = 'pypi-connector does not listen\n{"message": "request"}\n[1]\n{"cut": "li'
    assert parse_log(text) == [{"message": "request"}]


def test_an_installs_success_does_not_hide_a_refused_upload() -> None:
    refused = line(9, method="POST", status=403, reason="upload-not-granted", detail="x")
    [refusal] = use_of([refused, line(1)], "team/pypi").refusals
    assert refusal.is_last_word
    [refusal] = use_of([refused, line(1, method="POST")], "team/pypi").refusals
    assert not refusal.is_last_word


@pytest.mark.parametrize("reason", ["path-not-served", "bad-target", "too-busy", "credential-renewed"])
def test_refusals_that_clients_mend_by_themselves_are_left_out(reason: str) -> None:
    status = 503 if reason in ("too-busy", "credential-renewed") else 404
    assert use_of([line(1, status=status, reason=reason)], "team/pypi").refusals == ()


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("build-7", None, "build-7"),
        ("pod/build-7", None, "build-7"),
        ("pods/build-7", None, "build-7"),
        ("job/build", "Job", "build"),
        ("jobs.batch/build", "Job", "build"),
        ("deploy/web", "Deployment", "web"),
        ("cronjobs/nightly", "CronJob", "nightly"),
        ("STS/db", "StatefulSet", "db"),
    ],
)
def test_targets_are_written_as_for_kubectl(text: str, kind: str | None, name: str) -> None:
    target = parse_target(text)
    assert (target.kind.name if target.kind else None, target.name) == (kind, name)


@pytest.mark.parametrize("text", ["", "job/", "/x", "node/n", "a/b/c"])
def test_other_targets_are_bad_input(text: str) -> None:
    with pytest.raises(InputError):
        parse_target(text)

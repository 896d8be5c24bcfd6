"""Every directory of tests/cases/explanations: the facts, and the text that a person reads.

`input.yaml` holds the facts, over those of `base.yaml`; `output.txt` holds the output and the exit code.
`make cases` rewrites the outputs; read the diff. The inputs hold texts of other components, so these tests
compare them with the real texts.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.contract.grant import Credential, PackagePolicy
from sidecar.contract.secret import Secret
from sidecar.contract.words import Code
from sidecar.errors import BrokerUntrusted, CredentialRefused
from sidecar.grants.broker import _REINSTALLED
from sidecar.log import Log
from sidecar.rules.answers import answer_of
from support.certificates.authority import server_context
from support.checkout import MANIFESTS
from support.connectors.grant_facts import connector
from support.pods.explanations import CASES, facts_of, input_of, output_of, printed
from support.servers.registry import Registry
from support.sidecars.running import CONNECTOR, grant, running_sidecar
from webhook.connector.conditions import Observed, Probe, conditions
from webhook.connector.credentials import credential_warning
from webhook.connector.proxy_address import ProxyAddress
from webhook.errors import Problem
from webhook.explain.explanation import explain
from webhook.grant.notices import TROUBLES, trouble_reason

Json = dict[str, Any]


@pytest.mark.parametrize("name", CASES)
def test_each_case_has_its_output(name: str, request: pytest.FixtureRequest) -> None:
    text = printed(explain(facts_of(name)))
    if request.config.getoption("--rewrite-cases"):
        output_of(name).write_text(text)
    assert text == output_of(name).read_text()


@pytest.mark.parametrize("name", CASES)
def test_anything_wrong_ends_in_exit_1_with_a_fix(name: str) -> None:
    explanation = explain(facts_of(name))
    wrong = [statement for statement in explanation.statements if statement.level == "wrong"]
    levels = {statement.level for statement in explanation.statements}
    assert explanation.is_served == levels.isdisjoint({"wrong", "waiting"})
    for statement in wrong:
        assert statement.fix or ":" in statement.text, "a fix, or a sentence of ours that holds it"


def test_there_are_many_cases_and_each_has_its_output() -> None:
    assert len(CASES) > 80
    folder = output_of(CASES[0]).parents[1]
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["base.yaml"]
    assert {path.parent.name for path in folder.glob("*/output.txt")} == set(CASES)


# -- the inputs have the words of other components


def log_lines() -> Iterator[str]:
    """Of all cases: the logs of sidecars, and the last line of an ended sidecar, which the kubelet stores."""
    for name in CASES:
        case = input_of(name)
        if isinstance(case["log"], str):
            yield from case["log"].splitlines()
        for state in ((case["sidecar"] or {}).get("state"), (case["sidecar"] or {}).get("lastState")):
            yield from (state or {}).get("terminated", {}).get("message", "").splitlines()


def test_log_lines_are_whole_lines_of_the_sidecars_log() -> None:
    reading, writing = os.pipe()
    log = Log("debug", writing)
    for line in log_lines():
        fields = json.loads(line)
        log.write(**{key: value for key, value in fields.items() if key != "time"})
        written = os.read(reading, 4096).decode()
        assert line.partition(",")[2] == written.rstrip("\n").partition(",")[2]
    os.close(reading)
    os.close(writing)


def kind(line: Json) -> tuple[object, ...]:
    return tuple(line.get(key) for key in ("method", "action", "status", "reason"))


def test_a_running_sidecar_logs_the_same_fields(tmp_path: Path) -> None:
    with Registry(server_context()) as registry:
        registry.on("*", lambda call: call.reply(200, b"served"))
        registry.on("/root/flaskk/", lambda call: call.reply(404))
        registry.on("/root/locked/", lambda call: call.reply(401))
        policy = PackagePolicy(CONNECTOR, allow=(), deny=("evil*",))
        index = f"{registry.origin}/root/"
        document = grant(registry, index_url=index, packages=policy, upload_url=None)
        with running_sidecar(tmp_path, document) as sidecar:
            for target in ("/simple/flask/", "/root/flask/", "/files/flask-3.0.zip", "/root/flaskk/"):
                sidecar.get(target)
            for target in ("/root/evil/", "/root/locked/"):
                sidecar.get(target)
            sidecar.ask("POST", "/", body=b"x")
            sidecar.wait_line(message="request", method="POST")
            written = [line for line in sidecar.lines if line["message"] == "request"]
    assert len(written) == 7
    cases = [json.loads(line) for line in log_lines()]
    for line in written:
        same = [case for case in cases if kind(case) == kind(line)]
        assert same, line
        for case in same:
            assert (case["level"], list(case)) == (line["level"], list(line))
            if CONNECTOR not in line.get("detail", ""):
                assert case.get("detail") == line.get("detail")


def test_lines_about_broker_and_credential_are_in_the_sidecars_words() -> None:
    errors = [
        BrokerUntrusted(_REINSTALLED),
        CredentialRefused("team/pypi", Code.CREDENTIAL_REFUSED),
        *(
            CredentialRefused("team/pypi", code, 9.5)
            for code in (Code.CREDENTIAL_RESTS, Code.REQUEST_REFUSED)
        ),
    ]
    answers = {answer.code: answer for answer in map(answer_of, errors)}
    recorded = [line for line in map(json.loads, log_lines()) if line.get("reason") in answers]
    assert {line["reason"] for line in recorded} == set(answers)
    for line in recorded:
        answer = answers[line["reason"]]
        assert (line["status"], line["detail"]) == (answer.status, answer.sentence)


def test_events_about_a_registry_are_in_the_brokers_words() -> None:
    sentences = {trouble_reason(cause): sentence for cause, sentence in TROUBLES.items()}
    listed = [events for events in (input_of(name)["events"] for name in CASES) if isinstance(events, list)]
    recorded = [event for events in listed for event in events if event["reason"] in sentences]
    assert len(recorded) > 1
    for event in recorded:
        assert event["message"] == f"Connector team/pypi: {sentences[event['reason']]}"


def test_the_refusal_of_guard_4_is_in_its_own_words() -> None:
    policy = next(yaml.safe_load_all((MANIFESTS / "policies" / "injected.yaml").read_text()))
    sentence = policy["spec"]["validations"][1]["message"]
    [event] = input_of("refused-by-guard-4-dropped")["creations"]
    assert event["message"].endswith(f"denied request: {sentence}")


def test_conditions_are_in_the_controllers_words() -> None:
    probes = [
        Probe("ok", "status code 200"),
        Probe("refused", "status code 401"),
        Probe("unreachable", "certificate verify failed: self-signed certificate"),
        Probe(
            "foreign",
            "status code 200, but no package index: a sign-in page; spec.address is probably that of a web "
            "interface",
        ),
    ]
    missing = Problem("SecretNotFound", 'secrets "login" not found in namespace "team"')
    proxy = ProxyAddress("http://127.0.0.1:1/simple/")
    seen = [Observed((), has_secret=True, has_ca=False, probe=probe, proxy=proxy) for probe in probes]
    seen.append(Observed((missing,), has_secret=True, has_ca=False, probe=None, proxy=proxy))
    no_password = credential_warning(connector(), Credential("token", Secret("")))
    warned = Observed((), True, False, probes[1], proxy=proxy, secret_warning=no_password)
    seen.append(warned)
    written = {
        (condition.type, condition.status, condition.reason, condition.message)
        for each in seen
        for condition in conditions(each)
    }
    recorded = [
        condition
        for name in CASES
        for connector in input_of(name)["connectors"].values()
        for condition in ((connector or {}).get("status") or {}).get("conditions", ())
    ]
    assert {
        (condition["type"], condition["status"], condition["reason"], condition["message"])
        for condition in recorded
    } <= written

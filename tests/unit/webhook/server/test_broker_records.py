"""The traces of a grant or a refusal: a line in the log, an Event on the Pod, and no credential."""

import asyncio
import base64
import logging
import traceback
from collections.abc import Mapping
from typing import Any

import pytest

from sidecar.contract.secret import Secret
from sidecar.contract.words import CAUSES
from support.components.broker_requests import (
    AUDIENCE,
    CANARY,
    SETTINGS,
    Told,
    ask,
    audit,
    cluster,
    connector,
    everything,
    injected,
    login,
    request,
    requests,
    token,
)
from webhook.demo.memory_cluster import MemoryCluster
from webhook.grant.granting import grant, identify
from webhook.grant.trail import GrantRequest
from webhook.identifiers import ConnectorKey

# -- the audit


FIELDS = ("connector", "namespace", "pod", "service_account", "result", "reason", "upload", "rejected")


def test_each_grant_and_each_refusal_of_a_pod_is_a_single_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "webhook")
    memory_cluster = cluster()
    version = ask(memory_cluster).json()["version"]
    ask(memory_cluster, key="team/other")
    request(memory_cluster)  # without a token: the broker counts it, and logs no line
    lines = [[getattr(record, field) for field in FIELDS] for record in audit(caplog)]
    assert lines == [
        ["team/pypi", "team", "job", "default", "granted", "Granted", True, False],
        ["team/other", "team", "job", "default", "refused", "ConnectorNotNamed", None, False],
    ]
    assert {record.msg for record in audit(caplog)} == {"grant"}
    assert audit(caplog)[0].version == version
    pod = asyncio.run(memory_cluster.pod("team", "job"))
    assert pod
    assert audit(caplog)[0].uid == pod["metadata"]["uid"]


def leaks(text: str) -> bool:
    return CANARY in text or base64.b64encode(CANARY.encode()).decode() in text


BAD_SECRETS = [
    login(password=CANARY + "\n"),
    login(password="\ud800" + CANARY),
    {**login(), "type": "Opaque"},
    {**login(), "stringData": {}, "data": {"password": CANARY, "username": CANARY}},
    {**login(), "stringData": {"username": CANARY + ":"}},
    {**login(), "stringData": {}, "data": {"password": base64.b64encode(b"\xff" + CANARY.encode()).decode()}},
]


def test_the_canary_is_in_no_log_and_in_no_answer_but_the_grant(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    memory_cluster = cluster()
    bearer = token(memory_cluster)
    answer = request(memory_cluster, bearer=bearer)
    assert leaks(answer.text), "the search finds it where it belongs"
    for secret in BAD_SECRETS:
        memory_cluster.apply(secret)
        response = request(memory_cluster, bearer=bearer)
        assert response.status_code == 403
        assert not leaks(response.text)
    logged = everything(caplog)
    assert "SecretNotUTF8" in logged
    assert not leaks(logged)
    assert bearer not in logged


def test_the_search_for_the_canary_sees_a_logged_canary(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger("webhook.server.broker")
    for plant in (
        lambda: logger.debug("grant", extra={"field": CANARY}),
        lambda: logger.debug("%s", CANARY),
        lambda: logger.debug("%s", base64.b64encode(CANARY.encode()).decode()),
    ):
        caplog.clear()
        plant()
        assert leaks(everything(caplog))


def test_no_exception_on_the_way_holds_the_canary() -> None:
    for secret in BAD_SECRETS:
        memory_cluster = cluster(secret)
        bearer = memory_cluster.issue_token("team", "job", AUDIENCE)
        caller = asyncio.run(identify(memory_cluster, bearer))
        with pytest.raises(Exception, match="login") as caught:
            asyncio.run(grant(memory_cluster, SETTINGS, caller, GrantRequest(ConnectorKey("team", "pypi"))))
        assert not leaks("".join(traceback.format_exception(caught.value)) + repr(caller))
        error: BaseException | None = caught.value
        while error is not None:
            assert not leaks(repr(error) + repr(error.args) + repr(vars(error)))
            error = error.__cause__ or error.__context__


# -- Events


def request_after(version: str, cause: object) -> dict[str, object]:
    return {"connector": "team/pypi", "rejected": version, "cause": cause}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_pod_gets_an_event_about_its_registry_where_there_is_no_newer_grant(
    cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "webhook")
    recorder, memory_cluster = Told(), cluster()
    version = ask(memory_cluster).json()["version"]
    assert (
        ask(memory_cluster, json=request_after(version, cause), recorder=recorder).json()["version"]
        == version
    )
    reason = "".join(part.title() for part in cause.split("-"))
    ((kind, message, once),) = recorder.lines()
    assert (kind, once) == (f"Warning {reason}", False)
    assert message.startswith("Connector team/pypi: the registry ")
    assert audit(caplog)[-1].cause == cause


@pytest.mark.parametrize("cause", [None, "a-cause-of-a-newer-sidecar"])
def test_an_unknown_cause_is_no_event(cause: str | None) -> None:
    recorder, memory_cluster = Told(), cluster()
    version = ask(memory_cluster).json()["version"]
    assert ask(memory_cluster, json=request_after(version, cause), recorder=recorder).status_code == 200
    assert [kind for kind, *_ in recorder.lines()] == ["Normal Granted"]


def test_a_newer_grant_gets_no_event_about_the_registry() -> None:
    recorder, memory_cluster = Told(), cluster()
    version = ask(memory_cluster).json()["version"]
    memory_cluster.apply(login(password=CANARY + "-new"))
    assert (
        ask(memory_cluster, json=request_after(version, CAUSES[0]), recorder=recorder).json()["version"]
        != version
    )
    assert [kind for kind, *_ in recorder.lines()] == ["Normal Granted"]


def test_a_pod_gets_an_event_for_its_first_grant_and_for_no_renewal() -> None:
    recorder, memory_cluster = Told(), cluster()
    requests(memory_cluster, 3, bearer=token(memory_cluster), recorder=recorder)
    assert recorder.lines() == [("Normal Granted", "Connector team/pypi: install and upload", True)]
    pod = asyncio.run(memory_cluster.pod("team", "job"))
    assert pod
    assert recorder.events[0]["regarding"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "team",
        "name": "job",
        "uid": pod["metadata"]["uid"],
    }
    assert recorder.events[0]["related"] == {
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "kind": "Connector",
        "namespace": "team",
        "name": "pypi",
    }


def test_a_grant_without_upload_says_so() -> None:
    recorder, memory_cluster = Told(), cluster(connector(access="read"))
    requests(memory_cluster, 1, bearer=token(memory_cluster), recorder=recorder)
    assert recorder.lines() == [("Normal Granted", "Connector team/pypi: install", True)]


def test_each_refusal_is_an_event_and_so_is_the_grant_after_it() -> None:
    recorder = Told()
    memory_cluster = Changing(
        [injected(), connector(), login()], after=1, change={**login(), "type": "Opaque"}
    )
    memory_cluster.apply_after(3, login())
    requests(memory_cluster, 4, bearer=token(memory_cluster), recorder=recorder)
    sentence = 'secret "login" is of type Opaque: create it anew with type kubernetes.io/basic-auth'
    refused = ("Warning SecretTypeMismatch", f"Connector team/pypi: {sentence}", False)
    granted = "Connector team/pypi: install and upload"
    assert recorder.lines() == [
        ("Normal Granted", granted, True),
        refused,
        refused,
        ("Normal Granted", granted, False),
    ]


class Changing(MemoryCluster):
    """Changes between one request and the next."""

    def __init__(self, manifests: Any, *, after: int, change: Mapping[str, Any]) -> None:
        super().__init__(manifests)
        self._changes = {after: change}
        self._reviews = 0

    def apply_after(self, requests: int, change: Mapping[str, Any]) -> None:
        self._changes[requests] = change

    async def review_token(self, token: Secret, audience: str) -> Any:
        if self._reviews in self._changes:
            self.apply(self._changes[self._reviews])
        self._reviews += 1
        return await super().review_token(token, audience)


def test_a_pod_that_only_a_bad_token_claims_gets_no_event() -> None:
    recorder, memory_cluster = Told(), cluster()
    foreign = memory_cluster.issue_token("team", "job", "https://kubernetes.default.svc").reveal()
    for bearer in (foreign, None, "a.b.c"):
        requests(memory_cluster, 1, bearer=bearer, recorder=recorder)
    assert recorder.events == []

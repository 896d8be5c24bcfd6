"""Made-up tokens: what is refused at a look, how many may fail, and that nobody else waits for them."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from broker_requests import AUDIENCE, SETTINGS, connector, injected, login, problem, token
from fastapi import FastAPI
from hypothesis import given as example
from hypothesis import strategies as st

from sidecar.contract import Secret
from webhook import callers
from webhook.broker import create_app
from webhook.callers import Callers
from webhook.claims import LEEWAY_SECONDS, doubt, is_bound_to_pod
from webhook.memory import MemoryCluster
from webhook.reception import MOST_AT_ONCE_PER_PEER

NOW = 1_000_000.0
CLAIMS: Mapping[str, Any] = {
    "aud": [AUDIENCE],
    "exp": NOW + 600,
    "iss": "https://issuer.example",
    "nbf": NOW - 600,
    "sub": "system:serviceaccount:team:default",
    "kubernetes.io": {"namespace": "team", "pod": {"name": "job", "uid": "1"}},
}


def part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def made_up(head: object = {"alg": "RS256"}, **changes: object) -> str:
    """A token that nobody signed."""
    claims = {key: value for key, value in {**CLAIMS, **changes}.items() if value is not None}
    return f"{part(head)}.{part(claims)}.c2lnbmF0dXJl"


def bound_to(pod: object) -> str:
    return made_up(**{"kubernetes.io": {"namespace": "team", "pod": pod}})


DOUBTS = {
    "no JSON": ("a.b.c", "no JWT"),
    "no base64": ("é.é.c", "no JWT"),
    "a list": (f"{part({'alg': 'RS256'})}.{part([])}.c", "no JWT"),
    "too deep": (f"{part({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 20_000).decode()}.c", "no JWT"),
    "no algorithm": (made_up({"alg": "none"}), "no JWT"),
    "a head that is a list": (made_up([]), "no JWT"),
    "another audience": (
        made_up(aud=["https://kubernetes.default.svc"]),
        "for the audience 'pypi-connector'",
    ),
    "an audience that contains ours": (made_up(aud="pypi-connector-gateway"), "for the audience"),
    "no audience": (made_up(aud=None), "its audiences: none"),
    "audiences that are numbers": (made_up(aud=[1]), "its audiences: none"),
    "expired": (made_up(exp=NOW - LEEWAY_SECONDS - 1), "has expired"),
    "without an end": (made_up(exp=None), "has expired"),
    "an end that is a text": (made_up(exp="9999999999"), "has expired"),
    "not yet": (made_up(nbf=NOW + LEEWAY_SECONDS + 1), "not valid yet"),
    "not for ages": (made_up(nbf=10**400), "not valid yet"),
    "a user's": (made_up(sub="kim"), "not a ServiceAccount's"),
    "without Kubernetes' claims": (made_up(**{"kubernetes.io": None}), "not a ServiceAccount's"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_what_the_api_server_could_never_accept_is_refused_at_a_look(name: str) -> None:
    text, expected = DOUBTS[name]
    assert expected in (doubt(text, AUDIENCE, NOW) or "")


@pytest.mark.parametrize(
    "text",
    [
        made_up(),
        made_up(aud=AUDIENCE),
        made_up(aud=["https://kubernetes.default.svc", AUDIENCE]),
        made_up(exp=NOW - LEEWAY_SECONDS + 1),
        made_up(nbf=NOW + LEEWAY_SECONDS - 1),
        made_up(nbf=None),
        made_up(exp=10**400),
        made_up(iss=None),
    ],
)
def test_what_it_could_accept_is_its_own_to_judge(text: str) -> None:
    assert doubt(text, AUDIENCE, NOW) is None
    assert is_bound_to_pod(text)


@pytest.mark.parametrize(
    "pod", [None, {}, "job", {"name": "job"}, {"name": "", "uid": "1"}, {"name": 1, "uid": "1"}]
)
def test_a_token_that_names_no_pod_is_seen_too(pod: object) -> None:
    assert doubt(bound_to(pod), AUDIENCE, NOW) is None
    assert not is_bound_to_pod(bound_to(pod))


@example(st.text(), st.text())
def test_no_text_breaks_it(head: str, payload: str) -> None:
    for text in (
        f"{head}.{payload}.x",
        f"{part(head)}.{part(payload)}.x",
        f"{part({'alg': head})}.{payload}.x",
    ):
        assert doubt(text, AUDIENCE, NOW) is not None


# -- failures


def test_an_address_may_fail_so_often_and_again_after_a_while() -> None:
    given = Callers()
    for _ in range(int(callers.MOST_FAILURES)):
        assert given.may_ask("a", "t", NOW)
        given.failed("a", "t", NOW)
    assert not given.may_ask("a", "t", NOW)
    assert given.may_ask("b", "t", NOW)
    seconds = 1 / callers.FAILURES_PER_SECOND
    assert not given.may_ask("a", "t", NOW + seconds / 2)
    assert given.may_ask("a", "t", NOW + seconds + 0.01)


def test_a_token_that_was_accepted_is_let_through_until_it_fails() -> None:
    given = Callers()
    given.accepted("good")
    for _ in range(100):
        given.failed("a", "bad", NOW)
    assert given.may_ask("a", "good", NOW)
    given.failed("a", "good", NOW)
    assert not given.may_ask("a", "good", NOW)


def test_both_tables_are_bounded() -> None:
    given = Callers()
    for number in range(callers.MOST_ACCEPTED + 10):
        given.accepted(f"token {number}")
    for number in range(callers.MOST_PEERS + 10):
        given.failed(f"peer {number}", "bad", NOW)
    assert len(given._accepted) == callers.MOST_ACCEPTED
    assert len(given._failures) == callers.MOST_PEERS


# -- the broker


class Counting(MemoryCluster):
    """Takes its time for a review, as an API server under load."""

    def __init__(self) -> None:
        super().__init__([connector(), login(), injected()])
        self.reviews = 0

    async def review_token(self, token: Secret, audience: str) -> Any:
        self.reviews += 1
        await asyncio.sleep(0.05)
        return await super().review_token(token, audience)


def client_of(app: FastAPI, peer: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(peer, 1))
    return httpx.AsyncClient(transport=transport, base_url="https://broker")


async def ask(client: httpx.AsyncClient, bearer: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {bearer}"}
    return await client.post("/v1/grants", json={"connector": "team/pypi"}, headers=headers)


def forged(given: MemoryCluster) -> str:
    """All that can be looked at is right; the signature is not."""
    head, claims, signature = token(given).split(".")
    return f"{head}.{claims}.{signature[:8][::-1]}{signature[8:]}"


@pytest.mark.parametrize("kind", ["forged", "made up"])
def test_made_up_tokens_cost_few_reviews_and_nobody_else_waits(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "webhook")
    given = Counting()
    bad = forged(given) if kind == "forged" else made_up(aud=["x"], exp=time.time() + 600)

    async def story() -> None:
        app = create_app(lambda: SETTINGS, given)
        async with client_of(app, "10.0.0.66") as attacker, client_of(app, "10.0.0.2") as victim:
            assert (await ask(attacker, token(given))).status_code == 200
            flood = [asyncio.create_task(ask(attacker, bad)) for _ in range(300)]
            await asyncio.sleep(0.01)
            began = time.monotonic()
            assert (await ask(victim, token(given))).status_code == 200
            assert time.monotonic() - began < 1
            answers = await asyncio.gather(*flood)
            last = answers[-1]
            assert problem(last) == (429, "TooManyFailedTokens")
            assert int(last.headers["Retry-After"]) > 0
            assert {answer.status_code for answer in answers} == {401, 429}

    asyncio.run(story())
    most = int(callers.MOST_FAILURES) + MOST_AT_ONCE_PER_PEER + 3
    assert given.reviews <= (most if kind == "forged" else 2)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("webhook")]
    assert len(lines) <= most + 2
    assert lines.count("tokens turned away") == 1


def test_a_running_pod_is_granted_on_though_others_at_its_address_fail() -> None:
    given = Counting()
    good, bad = token(given), made_up(aud=["x"])

    async def story() -> None:
        app = create_app(lambda: SETTINGS, given)
        async with client_of(app, "10.0.0.1") as shared:
            assert (await ask(shared, good)).status_code == 200
            for _ in range(30):
                await ask(shared, bad)
            assert (await ask(shared, bad)).status_code == 429
            assert (await ask(shared, good)).status_code == 200

    asyncio.run(story())

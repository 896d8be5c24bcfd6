"""The reception of a gateway's clients: made-up tokens cost few reviews, and take nothing from others."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from sidecar.contract.secret import Secret
from support.components.broker_requests import AUDIENCE, SETTINGS, connector, injected, login, problem, token
from support.components.gateway_requests import CLIENTS, URL, body_of, client_token, gateway_pod, own_token
from support.components.made_up_tokens import made_up
from webhook.demo.memory_cluster import MemoryCluster
from webhook.limits import callers
from webhook.server import client_reception, reception
from webhook.server.broker import create_app

END = time.time() + 86400  # longer than a whole test run
Ask = Callable[[str], Awaitable[httpx.Response]]
"""A request with this token of a client"""


class Counting(MemoryCluster):
    """Takes its time for a review, as an API server under load."""

    def __init__(self, *manifests: dict[str, Any]) -> None:
        super().__init__([gateway_pod(), injected(), connector(), login(), *manifests])
        self.reviews = 0
        """Of clients' tokens"""
        self.under_review = 0
        self.most = 0

    async def review_token(self, token: Secret, audience: str) -> Any:
        if audience != CLIENTS:
            return await super().review_token(token, audience)
        self.reviews += 1
        self.under_review += 1
        self.most = max(self.most, self.under_review)
        await asyncio.sleep(0.005)
        self.under_review -= 1
        return await super().review_token(token, audience)


def play(given: MemoryCluster, story: Callable[[Ask], Awaitable[None]]) -> None:
    """One broker, asked by one gateway."""
    own = own_token(given)

    async def run() -> None:
        app = create_app(lambda: SETTINGS, given)
        transport = httpx.ASGITransport(app, client=("10.0.0.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:

            async def ask(bearer: str) -> httpx.Response:
                headers = {"Authorization": f"Bearer {own}"}
                return await client.post(URL, json=body_of(bearer), headers=headers)

            await story(ask)

    asyncio.run(run())


def forged(number: int, namespace: str = "evil") -> str:
    """Its claims are right, and only a review shows that nobody signed it."""
    subject = f"system:serviceaccount:{namespace}:default"
    private = {"namespace": namespace}
    claims = {"sub": subject, "kubernetes.io": private, "jti": str(number)}
    return made_up(aud=[CLIENTS], exp=END, **claims)


def test_a_thousand_bad_tokens_take_nothing_from_the_gateway_and_its_other_clients() -> None:
    given = Counting()
    good = client_token(given)

    async def story(ask: Ask) -> None:
        assert (await ask(good)).status_code == 200
        answers = await asyncio.gather(*(ask(forged(number)) for number in range(1000)))
        kinds = {(401, "ClientTokenNotAuthenticated"), (429, "TooManyFailedTokens")}
        assert set(map(problem, answers)) == kinds
        assert (await ask(good)).status_code == 200, "a token that was accepted"
        assert (await ask(client_token(given))).status_code == 200, "a new token of a known client"

    began = time.monotonic()
    play(given, story)
    refill = client_reception.FAILURES_PER_SECOND * (time.monotonic() - began)
    assert given.reviews <= client_reception.FAILURES_LIMIT + client_reception.SLOTS_LIMIT + refill + 5


def test_tokens_that_no_review_could_accept_cost_nothing_and_count_nothing() -> None:
    given = Counting()

    async def story(ask: Ask) -> None:
        for number in range(400):
            assert (await ask(f"no-token-{number}")).status_code == 401
        assert given.reviews == 0
        assert (await ask(client_token(given))).status_code == 200

    play(given, story)


def test_claims_of_names_that_cannot_exist_are_kept_nowhere() -> None:
    """They could be of kilobytes, and a report counts a thousand of them."""
    given = Counting()

    async def story(ask: Ask) -> None:
        for namespace in ("a" * 9_000, "Team", "a/b", "ä", ""):
            assert (await ask(forged(1, namespace))).status_code == 401

    play(given, story)
    assert given.reviews == 0


def test_a_failed_token_is_reviewed_and_logged_once_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    given = Counting()

    async def story(ask: Ask) -> None:
        caplog.set_level("INFO", "webhook")
        answers = [await ask(forged(1)) for _ in range(50)]
        assert {problem(answer) for answer in answers} == {(401, "ClientTokenNotAuthenticated")}
        assert len({answer.text for answer in answers}) == 1

    play(given, story)
    assert given.reviews == 1
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("webhook")]
    assert lines == ["gateway grant", "clients of the gateway turned away"]


def test_a_failed_token_in_many_requests_at_once_is_reviewed_a_few_times() -> None:
    given = Counting()

    async def story(ask: Ask) -> None:
        answers = await asyncio.gather(*(ask(forged(1)) for _ in range(200)))
        assert {answer.status_code for answer in answers} == {401}

    play(given, story)
    assert given.reviews <= client_reception.SLOTS_LIMIT


def test_a_failed_token_is_reviewed_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_reception, "FAILED_SECONDS", 0.01)
    given = Counting()

    async def story(ask: Ask) -> None:
        await ask(forged(1))
        await asyncio.sleep(0.02)
        await ask(forged(1))

    play(given, story)
    assert given.reviews == 2


def test_the_memory_of_failed_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_reception, "FAILED_LIMIT", 10)
    clients = client_reception.ClientReception()

    async def story() -> None:
        for number in range(50):
            with pytest.raises(client_reception.Refusal):
                async with clients.turn(Secret(forged(number))):
                    raise client_reception.Refusal("ClientTokenNotAuthenticated", "x")

    asyncio.run(story())
    assert len(clients._failed) == 10


def test_a_client_that_is_refused_again_and_again_holds_up_no_other() -> None:
    given = Counting()

    async def story(ask: Ask) -> None:
        stranger = client_token(given, "other")
        answers = await asyncio.gather(*(ask(stranger) for _ in range(400)))
        assert set(map(problem, answers)) == {(403, "AccessDenied"), (429, "TooManyRefusals")}
        assert (await ask(client_token(given))).status_code == 200

    began = time.monotonic()
    play(given, story)
    refill = callers.REFUSALS_PER_SECOND * (time.monotonic() - began)
    assert given.reviews <= callers.REFUSALS_LIMIT + client_reception.SLOTS_LIMIT + refill + 2


def test_a_token_that_only_claims_a_client_counts_nothing_against_it() -> None:
    given = Counting()

    async def story(ask: Ask) -> None:
        for number in range(100):
            await ask(forged(number, "team"))
        assert (await ask(client_token(given))).status_code == 200

    play(given, story)


def test_many_clients_of_a_gateway_are_served_at_once_and_within_the_limit() -> None:
    given = Counting()

    async def story(ask: Ask) -> None:
        tokens = [client_token(given) for _ in range(300)]
        answers = await asyncio.gather(*map(ask, tokens))
        assert {answer.status_code for answer in answers} == {200}

    play(given, story)
    assert 1 < given.most <= client_reception.SLOTS_LIMIT


def test_a_crowd_of_one_namespace_leaves_turns_to_another() -> None:
    given = Counting(connector(namespace="small"), login("small"))

    async def story(ask: Ask) -> None:
        crowd = [asyncio.create_task(ask(client_token(given))) for _ in range(300)]
        await asyncio.sleep(0.02)
        waiting = sum(not one.done() for one in crowd)
        answer = await ask(client_token(given, "small"))
        assert answer.status_code == 403  # of another namespace's Connector: it was reviewed
        assert waiting > 100
        assert sum(not one.done() for one in crowd) > waiting / 2
        await asyncio.gather(*crowd)

    play(given, story)


def test_places_for_clients_leave_connections_to_the_api_server_for_the_rest() -> None:
    assert reception.SLOTS_LIMIT + client_reception.SLOTS_LIMIT < 64


def test_a_sidecar_that_knocks_here_again_and_again_is_held_up_itself() -> None:
    """Its refusals count as at its own door, and cost no review of the tokens that it forwards."""
    given = Counting()
    headers = {"Authorization": f"Bearer {token(given)}"}

    async def run() -> None:
        transport = httpx.ASGITransport(create_app(lambda: SETTINGS, given), client=("10.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:
            posts = [client.post(URL, json=body_of(forged(1)), headers=headers) for _ in range(200)]
            answers = await asyncio.gather(*posts)
            assert problem(answers[0]) == (403, "GatewayNotAllowed")
            assert problem(answers[-1]) == (429, "TooManyRefusals")

    asyncio.run(run())
    assert given.reviews == 0


def test_strangers_at_this_door_cost_few_reviews() -> None:
    given = Counting()
    bad = made_up(aud=[AUDIENCE], exp=time.time() + 600)

    async def run() -> None:
        transport = httpx.ASGITransport(create_app(lambda: SETTINGS, given), client=("10.0.0.66", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:
            headers = {"Authorization": f"Bearer {bad}"}
            answers = [await client.post(URL, json=body_of("a.b.c"), headers=headers) for _ in range(30)]
            assert problem(answers[0]) == (403, "GatewayTokenRefused")
            assert problem(answers[-1]) == (429, "TooManyFailedTokens")

    asyncio.run(run())
    assert given.reviews == 0

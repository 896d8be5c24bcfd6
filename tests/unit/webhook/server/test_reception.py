"""The reception of the broker: strangers and refused Pods cost little, and no other caller waits for them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from sidecar.contract.secret import Secret
from support.components.broker_requests import AUDIENCE, SETTINGS, connector, injected, login, problem, token
from support.components.made_up_tokens import made_up
from support.machine.virtual_time import run_virtually
from webhook.demo.memory_cluster import MemoryCluster
from webhook.errors import ClusterRefused, ClusterUnavailable
from webhook.limits import callers
from webhook.server.broker import create_app
from webhook.server.reception import SLOTS_PER_PEER_LIMIT


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


def forged(memory_cluster: MemoryCluster) -> str:
    """All claims are right; the signature is wrong."""
    head, claims, signature = token(memory_cluster).split(".")
    return f"{head}.{claims}.{signature[:8][::-1]}{signature[8:]}"


@pytest.mark.parametrize("kind", ["forged", "made up"])
def test_made_up_tokens_cost_few_reviews_and_nobody_else_waits(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "webhook")
    memory_cluster = Counting()
    bad = forged(memory_cluster) if kind == "forged" else made_up(aud=["x"], exp=time.time() + 600)

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        async with client_of(app, "10.0.0.66") as attacker, client_of(app, "10.0.0.2") as victim:
            assert (await ask(attacker, token(memory_cluster))).status_code == 200
            flood = [asyncio.create_task(ask(attacker, bad)) for _ in range(300)]
            await asyncio.sleep(0.01)
            async with asyncio.timeout(1):
                assert (await ask(victim, token(memory_cluster))).status_code == 200
            answers = await asyncio.gather(*flood)
            last = answers[-1]
            assert problem(last) == (429, "TooManyFailedTokens")
            assert int(last.headers["Retry-After"]) > 0
            assert {answer.status_code for answer in answers} == {401, 429}

    run_virtually(story())
    most = int(callers.FAILURES_LIMIT) + SLOTS_PER_PEER_LIMIT + 3
    assert memory_cluster.reviews <= (most if kind == "forged" else 2)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("webhook")]
    assert len(lines) <= most + 2
    assert lines.count("requests turned away") == 1


def test_a_running_pod_gets_further_grants_though_others_at_its_address_fail() -> None:
    memory_cluster = Counting()
    good, bad = token(memory_cluster), made_up(aud=["x"])

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        async with client_of(app, "10.0.0.1") as shared:
            assert (await ask(shared, good)).status_code == 200
            for _ in range(30):
                await ask(shared, bad)
            assert (await ask(shared, bad)).status_code == 429
            assert (await ask(shared, good)).status_code == 200

    asyncio.run(story())


# -- Pods that the API server knows


def test_a_running_pod_gets_further_grants_after_its_token_was_rotated() -> None:
    memory_cluster = Counting()

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        async with client_of(app, "10.0.0.1") as shared:
            first, second = token(memory_cluster), token(memory_cluster)  # of the same Pod
            assert first != second
            assert (await ask(shared, first)).status_code == 200
            for _ in range(30):
                await ask(shared, made_up(aud=["x"]))
            assert (await ask(shared, made_up(aud=["x"]))).status_code == 429
            assert (await ask(shared, second)).status_code == 200

    asyncio.run(story())


def test_tokens_that_claim_a_known_pod_cost_few_reviews_and_end_no_grant() -> None:
    """Every reader of Pods knows ServiceAccount and uid, and can write both into a token."""
    memory_cluster = Counting()

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        async with client_of(app, "10.0.0.1") as shared:
            good, bad = token(memory_cluster), forged(memory_cluster)
            assert (await ask(shared, good)).status_code == 200
            answers = [await ask(shared, bad) for _ in range(60)]
            assert answers[-1].status_code == 429
            assert memory_cluster.reviews <= 1 + int(callers.FAILURES_LIMIT) + 2
            assert (await ask(shared, good)).status_code == 200

    asyncio.run(story())


def opted_out() -> dict[str, Any]:
    """A Pod that opts out of injection and has a container written by hand. Its token is genuine."""
    pod = injected()
    pod["metadata"]["annotations"]["connectors.alauda.io/inject"] = "false"
    return pod


def test_a_pod_that_is_refused_again_and_again_costs_few_reviews_and_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "webhook")
    memory_cluster = Counting()
    memory_cluster.apply(opted_out())

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        async with client_of(app, "10.0.0.1") as hostile:
            bearer = token(memory_cluster)
            answers = await asyncio.gather(*(ask(hostile, bearer) for _ in range(400)))
            assert problem(answers[0]) == (403, "ConnectorNotNamed")
            assert problem(answers[-1]) == (429, "TooManyRefusals")
            assert int(answers[-1].headers["Retry-After"]) > 0

    asyncio.run(story())
    most = 64 + SLOTS_PER_PEER_LIMIT + 4 * 5  # and the refill of that time
    assert memory_cluster.reviews <= most
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("webhook")]
    assert len(lines) <= most + 2
    assert lines.count("requests of refused Pods turned away") == 1


class PodOutOfReach(Counting):
    """The API server verifies the token, and the Pod's own manifest cannot be read: it is too large."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def pod(self, namespace: str, name: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [ClusterUnavailable("GET pod: too slow"), ClusterRefused("too large"), ZeroDivisionError()],
    ids=["unavailable", "refused", "unforeseen"],
)
def test_a_pod_that_cannot_be_read_costs_as_few_reviews_as_a_refused_pod(error: Exception) -> None:
    given = PodOutOfReach(error)

    async def story() -> None:
        app = create_app(lambda: SETTINGS, given)
        async with client_of(app, "10.0.0.1") as hostile:
            bearer = token(given)
            answers = await asyncio.gather(*(ask(hostile, bearer) for _ in range(400)))
            assert answers[0].status_code in (500, 503)
            assert problem(answers[-1]) == (429, "TooManyRefusals")

    asyncio.run(story())
    assert given.reviews <= 64 + SLOTS_PER_PEER_LIMIT + 4 * 5  # and what is refilled meanwhile


def test_a_pod_whose_grants_end_at_the_deadline_counts_as_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.server.broker.DEADLINE_SECONDS", 0.2)

    class Slow(Counting):
        async def pod(self, namespace: str, name: str) -> Any:
            await asyncio.sleep(60)

    given = Slow()

    async def story() -> None:
        app = create_app(lambda: SETTINGS, given)
        async with client_of(app, "10.0.0.1") as hostile:
            bearer = token(given)
            answers = []
            for _ in range(12):  # turns of eight requests
                answers += await asyncio.gather(*(ask(hostile, bearer) for _ in range(8)))
            assert answers[0].status_code == 503
            assert problem(answers[-1]) == (429, "TooManyRefusals")

    asyncio.run(story())


def test_a_refused_pod_takes_nothing_from_another() -> None:
    """Not from its neighbour at the same address, nor from another Pod by a token that only claims it."""
    memory_cluster = Counting()
    other = opted_out()
    other["metadata"] = {**other["metadata"], "name": "other"}
    memory_cluster.apply(other)

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        async with client_of(app, "10.0.0.1") as shared:
            refused = memory_cluster.issue_token("team", "other", AUDIENCE).reveal()
            await asyncio.gather(*(ask(shared, refused) for _ in range(200)))
            assert (await ask(shared, refused)).status_code == 429
            assert (await ask(shared, token(memory_cluster))).status_code == 200

    asyncio.run(story())


def test_no_token_that_only_claims_a_pod_counts_against_that_pod() -> None:
    """From many addresses, so that no limit of an address stops it."""
    memory_cluster = Counting()

    async def forge(app: FastAPI, number: int) -> None:
        async with client_of(app, f"10.0.1.{number}") as attacker:
            await asyncio.gather(*(ask(attacker, forged(memory_cluster)) for _ in range(10)))

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        await asyncio.gather(*(forge(app, number) for number in range(10)))
        assert memory_cluster.reviews > callers.REFUSALS_LIMIT
        async with client_of(app, "10.0.0.2") as victim:
            assert (await ask(victim, token(memory_cluster))).status_code == 200

    asyncio.run(story())


# -- requests without a usable token


JUNK: Mapping[str, Mapping[str, Any]] = {
    "TokenMissing": {"json": {}},
    "TokenMalformed": {"json": {}, "headers": {"Authorization": "Bearer x"}},
    "UnsupportedMediaType": {"content": b"x", "headers": {"Authorization": "Bearer a.b.c"}},
    "BodyMalformed": {"json": {}, "headers": {"Authorization": "Bearer a.b.c"}},
    "BodyTooLarge": {"json": ["x" * 5000], "headers": {"Authorization": "Bearer a.b.c"}},
}


@pytest.mark.parametrize("reason", JUNK)
def test_junk_is_counted_in_a_single_line_and_as_failures_of_its_address(
    reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "webhook")
    memory_cluster = Counting()

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        async with client_of(app, "10.0.0.66") as attacker, client_of(app, "10.0.0.2") as victim:
            assert problem(await attacker.post("/v1/grants", **JUNK[reason]))[1] == reason
            for _ in range(30):
                await attacker.post("/v1/grants", **JUNK[reason])
            assert problem(await ask(attacker, made_up(aud=["x"]))) == (429, "TooManyFailedTokens")
            assert (await ask(victim, token(memory_cluster))).status_code == 200

    asyncio.run(story())
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("webhook")]
    assert lines == ["requests turned away", "grant"]


def test_a_broken_body_takes_nothing_from_a_token_that_was_accepted() -> None:
    memory_cluster = Counting()

    async def story() -> None:
        app = create_app(lambda: SETTINGS, memory_cluster)
        async with client_of(app, "10.0.0.1") as shared:
            good = token(memory_cluster)
            assert (await ask(shared, good)).status_code == 200
            for _ in range(30):
                await shared.post("/v1/grants", json={}, headers={"Authorization": f"Bearer {good}"})
            assert (await ask(shared, good)).status_code == 200

    asyncio.run(story())

"""Many Connectors with the same account: a single Connector tries it, and all share a refusal."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from webhook.connector.conditions import Probe
from webhook.connector.manifest import parse_connector
from webhook.connector.registry import RegistryAccess
from webhook.status.schedule import (
    JITTER,
    REFUSED_ONCE_SECONDS,
    REFUSED_SECONDS,
    ProbeKey,
    after_probe,
    shortest_refused_pause,
)
from webhook.status.shared_probes import SharedProbes

OK = Probe("ok", "status code 200")
GONE = Probe("unreachable", "connection refused")
REFUSED = Probe("refused", "status code 401")
PASSWORD = "canary-1"
PATIENCE_SECONDS = 60.0


def registry(
    namespace: str = "a",
    *,
    address: str = "https://registry.test",
    password: str | None = PASSWORD,
    files: str | None = None,
) -> RegistryAccess:
    extensions = [{"name": "files", "value": files}] if files else []
    manifest = {
        "metadata": {"namespace": namespace, "name": "pypi"},
        "spec": {"connectorClassName": "pypi", "address": address, "addressExtensions": extensions},
    }
    credential = Credential("robot", Secret(password)) if password else None
    return RegistryAccess(parse_connector(manifest), credential, None)


class Desk:
    """A clock that stands still, and a registry that answers by script, the last line for ever."""

    def __init__(self, *answers: Probe | Exception) -> None:
        self.now = 1000.0
        self.probed: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._answers = list(answers)
        self.probes = SharedProbes(self._ask, lambda: self.now)

    async def _ask(self, access: RegistryAccess) -> Probe:
        self.probed.append(access.connector.namespace)
        await self.may_answer.wait()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, PATIENCE_SECONDS))


def test_a_refusal_is_shared_by_all_equal_probes() -> None:
    async def story() -> None:
        desk = Desk(REFUSED)
        assert [await desk.probes.probe(registry(namespace)) for namespace in "abc"] == [REFUSED] * 3
        assert desk.probed == ["a"]

    run(story())


@pytest.mark.parametrize(
    "other",
    [
        registry(password="canary-2"),
        registry(address="https://registry.test/other"),
        registry(password=None),
    ],
)
def test_another_password_path_or_none_is_another_probe(other: RegistryAccess) -> None:
    async def story() -> None:
        desk = Desk(REFUSED, OK)
        await desk.probes.probe(registry())
        assert await desk.probes.probe(other) == OK

    run(story())


def test_a_caller_that_insists_gets_a_new_probe_all_the_same() -> None:
    async def story() -> None:
        desk = Desk(REFUSED, OK)
        await desk.probes.probe(registry())
        assert await desk.probes.probe(registry(), insists=True) == OK
        assert await desk.probes.probe(registry("b")) == OK

    run(story())


def test_a_caller_during_a_probe_waits_for_the_same_result() -> None:
    async def story() -> None:
        desk = Desk(OK)
        desk.may_answer.clear()
        asking = [asyncio.create_task(desk.probes.probe(registry(namespace))) for namespace in "abc"]
        await asyncio.sleep(0)
        desk.may_answer.set()
        assert await asyncio.gather(*asking) == [OK] * 3
        assert desk.probed == ["a"]

    run(story())


def test_if_the_probing_caller_is_cancelled_the_next_caller_probes() -> None:
    async def story() -> None:
        desk = Desk(OK)
        desk.may_answer.clear()
        first, second = (asyncio.create_task(desk.probes.probe(registry(namespace))) for namespace in "ab")
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        desk.may_answer.set()
        assert await second == OK
        assert desk.probed == ["a", "b"]

    run(story())


def test_a_fault_of_ours_is_not_shared() -> None:
    async def story() -> None:
        desk = Desk(ZeroDivisionError(), OK)
        desk.may_answer.clear()
        first, second = (asyncio.create_task(desk.probes.probe(registry(namespace))) for namespace in "ab")
        await asyncio.sleep(0)
        desk.may_answer.set()
        with pytest.raises(ZeroDivisionError):
            await first
        assert await second == OK

    run(story())


def test_failed_connections_are_not_remembered() -> None:
    async def story() -> None:
        desk = Desk(GONE, OK)
        assert await desk.probes.probe(registry("a")) == GONE
        assert await desk.probes.probe(registry("b")) == OK

    run(story())


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_a_single_connector_never_misses_its_own_turn(spread: float) -> None:
    async def story() -> None:
        desk = Desk(REFUSED)
        answer = None
        for turn in range(1, 8):
            seen = await desk.probes.probe(registry())
            assert len(desk.probed) == turn
            key = ProbeKey("uid", 1, 1)
            answer = after_probe(answer, key, seen, has_secret=True, now=desk.now, spread=spread)
            desk.now = answer.due

    run(story())


def test_fifty_connectors_with_the_same_account_try_it_as_often_as_a_single_connector() -> None:
    async def story() -> None:
        desk = Desk(REFUSED)
        begun = desk.now
        while desk.now < begun + 1800:  # an account's usual memory
            for number in range(50):
                await desk.probes.probe(registry(f"n-{number}"))
            desk.now += 25
        assert len(desk.probed) == 3

    run(story())


def test_a_refusal_of_long_ago_is_forgotten() -> None:
    async def story() -> None:
        desk = Desk(REFUSED)
        for number in range(10):
            await desk.probes.probe(registry(password=f"canary-{number}"))
        desk.now += 4 * REFUSED_SECONDS[1]
        await desk.probes.probe(registry(password="canary-new"))
        assert len(desk.probes._refusals) == 1

    run(story())


def test_the_shortest_pause_is_the_earliest_turn() -> None:
    answer = after_probe(None, ProbeKey("uid", 1, 1), REFUSED, has_secret=True, now=0.0, spread=0.0)
    assert answer.due == pytest.approx(shortest_refused_pause(1))


def test_a_password_that_was_accepted_a_moment_ago_is_tried_again_after_a_minute() -> None:
    async def story() -> None:
        desk = Desk(OK, REFUSED, REFUSED, OK)
        assert await desk.probes.probe(registry()) == OK
        assert await desk.probes.probe(registry()) == REFUSED
        desk.now += REFUSED_ONCE_SECONDS * (1 - JITTER)
        assert await desk.probes.probe(registry("b")) == REFUSED
        assert len(desk.probed) == 3
        desk.now += REFUSED_SECONDS[0]
        assert await desk.probes.probe(registry("c")) == REFUSED
        assert len(desk.probed) == 3

    run(story())


@pytest.mark.parametrize("files", ["https://registry.test/content", "https://files.test"])
@pytest.mark.parametrize(("answer", "probed"), [(OK, ["a", "b"]), (GONE, ["a", "b"]), (REFUSED, ["a"])])
def test_a_connector_with_other_places_of_files_shares_a_refusal_only(
    files: str, answer: Probe, probed: list[str]
) -> None:
    """They decide where redirects lead. A wrong credential is wrong with all of them."""

    async def story() -> None:
        desk = Desk(answer)
        desk.may_answer.clear()
        asked = (registry("a"), registry("b", files=files), registry("c"))
        probes = [asyncio.ensure_future(desk.probes.probe(one)) for one in asked]
        await asyncio.sleep(0)
        desk.may_answer.set()
        assert await asyncio.gather(*probes) == [answer] * 3
        assert desk.probed == probed

    run(story())

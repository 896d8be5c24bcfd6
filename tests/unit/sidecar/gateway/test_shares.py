"""Fair shares: however greedy some tenants are, something stays free for the next."""

import pytest

from sidecar.errors import UpstreamUnreachable
from sidecar.gateway.shares import WAIT_SECONDS, SharedThreads, Shares, TenantThreads
from sidecar.gateway.strangers import ATTEMPTS, Strangers
from support.sidecars.loops import JumpingLoop, run, sleep


def take_all(shares: Shares, key: str) -> int:
    count = 0
    while shares.take(key):
        count += 1
    return count


def test_a_tenant_may_hold_as_many_as_are_free() -> None:
    shares = Shares(64)
    assert take_all(shares, "a") == 32
    assert [take_all(shares, key) for key in "bcd"] == [16, 8, 4]
    assert take_all(shares, "e") > 0


def test_what_is_left_is_free_again() -> None:
    shares = Shares(4)
    assert take_all(shares, "a") == 2
    shares.leave("a")
    assert shares.taken == 1
    assert (shares.room("a"), shares.room("b")) == (2, 3)
    shares.leave("a")
    assert shares.taken == 0
    assert take_all(shares, "b") == 2


def test_who_waits_for_a_thread_gets_the_next_or_hears_of_it() -> None:
    loop = JumpingLoop()
    shared = SharedThreads(loop, 2)
    ended: list[str] = []

    async def hold(seconds: float) -> None:
        assert shared.shares.take("a")
        await sleep(loop, seconds)
        shared.shares.leave("a")
        shared.wake_waiting()

    async def ask(after: float) -> None:
        await sleep(loop, after)
        try:
            await TenantThreads(shared, "a")._take()
            ended.append("taken")
            shared.shares.leave("a")
        except UpstreamUnreachable:
            ended.append("late")

    run(loop, hold(WAIT_SECONDS + 5.0), ask(1.0), ask(10.0))
    assert ended == ["late", "taken"]
    assert not shared.waiting


def test_an_address_has_some_attempts_that_come_back_with_time() -> None:
    loop = JumpingLoop()
    strangers = Strangers(loop)
    assert sum(strangers.attempt("10.0.0.1") for _ in range(100)) == ATTEMPTS
    assert strangers.attempt("10.0.0.2")
    loop.now += 3.0
    assert sum(strangers.attempt("10.0.0.1") for _ in range(100)) == 3


def test_a_token_that_is_accepted_gives_its_attempt_back() -> None:
    strangers = Strangers(JumpingLoop())
    for _ in range(1000):
        assert strangers.attempt("10.0.0.1")
        strangers.accept("10.0.0.1")
    assert not strangers._left


@pytest.mark.parametrize("count", [5000])
def test_few_addresses_are_remembered(count: int) -> None:
    strangers = Strangers(JumpingLoop())
    for number in range(count):
        strangers.attempt(f"10.0.{number // 256}.{number % 256}")
    assert len(strangers._left) <= 4096

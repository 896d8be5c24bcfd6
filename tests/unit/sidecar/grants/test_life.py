"""The life of a grant: fetched once for all who wait, renewed on use, ended by a refusal, never hammered."""

import threading

import pytest

from sidecar.errors import BrokerRefused, BrokerUnreachable
from sidecar.grants.store import BACK_OFF_SECONDS, PATIENCE_SECONDS, REFUSED_SECONDS, WAIT_SECONDS
from support.sidecars.grant_stores import (
    HARD,
    PATIENCE,
    REFUSED,
    SOFT,
    THREADS,
    UNREACHABLE,
    Broker,
    Run,
    Slow,
    all_waiting,
    in_threads,
    pass_time,
    run,
)


def test_a_young_grant_is_used_without_asking() -> None:
    test = run("1", "2")
    assert test.version() == "1"
    test.clock.now += SOFT - 0.1
    assert test.version() == "1"
    assert test.broker.asked == [None]


def test_after_its_soft_life_the_next_use_asks() -> None:
    test = run("1", "2")
    test.version()
    test.clock.now += SOFT
    assert (test.version(), test.version()) == ("2", "2")
    assert test.broker.asked == [None, None]


def test_the_same_version_fetched_again_is_young_again() -> None:
    test = run("1")
    test.version()
    for _ in range(3):
        test.clock.now += SOFT
        assert (test.version(), test.version()) == ("1", "1")
    assert test.broker.asked == [None] * 4


def test_while_the_broker_is_away_a_grant_serves_until_its_hard_life_ends() -> None:
    test = run("1", UNREACHABLE)
    test.version()
    test.clock.now += SOFT
    assert test.version() == "1"
    test.clock.now += HARD - SOFT - 0.1
    assert test.version() == "1"
    test.clock.now += 0.1
    with pytest.raises(BrokerUnreachable):
        test.version()


def test_the_hard_life_counts_from_the_last_grant_not_from_the_first() -> None:
    test = run("1", "1", UNREACHABLE)
    test.version()
    test.clock.now += SOFT
    test.version()
    test.clock.now += HARD - 1
    assert test.version() == "1"


def test_a_refusal_ends_the_grant_at_once() -> None:
    test = run("1", REFUSED)
    test.version()
    test.clock.now += SOFT
    for _ in range(2):
        with pytest.raises(BrokerRefused, match="may not use"):
            test.version()
    assert test.broker.asked == [None, None]


def test_a_refusal_stands_for_a_while_and_then_the_broker_is_asked_again() -> None:
    test = run(REFUSED, "1")
    for step in (0.0, REFUSED_SECONDS - 0.1):
        test.clock.now += step
        with pytest.raises(BrokerRefused):
            test.version()
    assert len(test.broker.asked) == 1
    test.clock.now += 0.1
    assert test.version() == "1"


def test_a_broker_that_comes_back_after_a_refusal_does_not_bring_the_old_grant_back() -> None:
    test = run("1", REFUSED, UNREACHABLE)
    test.version()
    test.clock.now += SOFT
    with pytest.raises(BrokerRefused):
        test.version()
    test.clock.now += REFUSED_SECONDS
    with pytest.raises(BrokerUnreachable):
        test.version()


@pytest.mark.parametrize("has_grant", [True, False], ids=["with an old grant", "without one"])
def test_the_pauses_between_fetches_grow_while_the_broker_is_away(has_grant: bool) -> None:
    test = run(*(["1"] if has_grant else []), UNREACHABLE)
    if has_grant:
        test.version()
        test.clock.now += SOFT

    def use() -> None:
        try:
            assert test.version() == "1"
            assert has_grant
        except BrokerUnreachable:
            assert not has_grant

    asked = len(test.broker.asked)
    for pause in (*BACK_OFF_SECONDS, BACK_OFF_SECONDS[-1], BACK_OFF_SECONDS[-1]):
        use()
        asked += 1
        assert len(test.broker.asked) == asked
        test.clock.now += pause - 0.01
        use()
        assert len(test.broker.asked) == asked, f"asked again before {pause} s"
        test.clock.now += 0.01


def test_a_request_without_a_grant_waits_for_a_broker_that_comes_back() -> None:
    """Regression: pip repeats a 503 five times, and had given up after six seconds."""
    test = Run(Broker(UNREACHABLE, UNREACHABLE, "1"), PATIENCE_SECONDS)
    threads = in_threads(THREADS, test.version)
    next(threads)
    for pause in BACK_OFF_SECONDS[:2]:
        all_waiting(test.store, THREADS)
        pass_time(test, pause)
    assert next(threads) == ["1"] * THREADS
    assert test.broker.asked == [None] * 3


def test_its_patience_has_an_end() -> None:
    test = Run(Broker(UNREACHABLE), PATIENCE_SECONDS)
    threads = in_threads(1, test.version)
    next(threads)
    all_waiting(test.store, 1)
    pass_time(test, PATIENCE_SECONDS)
    assert next(threads) == [UNREACHABLE]


def test_nobody_waits_for_a_broker_that_says_no() -> None:
    test = Run(Broker(REFUSED), PATIENCE_SECONDS)
    with pytest.raises(BrokerRefused):
        test.version()


def test_nobody_who_has_a_grant_waits_for_a_broker_that_is_away() -> None:
    test = Run(Broker("1", UNREACHABLE), PATIENCE_SECONDS)
    test.version()
    test.clock.now += SOFT
    assert [test.version() for _ in range(3)] == ["1"] * 3


def test_an_answer_ends_the_back_off() -> None:
    test = run(UNREACHABLE, UNREACHABLE, "1", UNREACHABLE, "2")
    for pause in BACK_OFF_SECONDS[:2]:
        with pytest.raises(BrokerUnreachable):
            test.version()
        test.clock.now += pause
    assert test.version() == "1"
    test.clock.now += SOFT
    assert test.version() == "1"
    test.clock.now += BACK_OFF_SECONDS[0]
    assert test.version() == "2"


def test_many_who_wait_for_the_first_grant_share_one_fetch() -> None:
    test = Run(slow := Slow("1"))
    threads = in_threads(THREADS, test.version)
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == ["1"] * THREADS
    assert test.broker.asked == [None]


@pytest.mark.parametrize("failure", [REFUSED, UNREACHABLE], ids=["refused", "unreachable"])
def test_many_who_wait_are_woken_by_a_failure_and_none_asks_again(failure: Exception) -> None:
    test = Run(slow := Slow(failure))
    threads = in_threads(THREADS, test.version)
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == [failure] * THREADS
    assert test.broker.asked == [None]


def test_a_fault_in_the_brokers_client_wakes_who_waits_too() -> None:
    test = Run(slow := Slow(ZeroDivisionError()))
    threads = in_threads(5, test.version)
    next(threads)
    all_waiting(test.store, 4)
    slow.may_answer.set()
    kinds = sorted(type(result).__name__ for result in next(threads))
    assert kinds == ["BrokerUnreachable"] * 4 + ["ZeroDivisionError"]


def test_nobody_waits_for_a_refresh_while_the_old_grant_serves() -> None:
    test = Run(slow := Slow("1", "2"))
    slow.may_answer.set()
    test.version()
    slow.may_answer.clear()
    slow.entered.clear()
    test.clock.now += SOFT
    threads = in_threads(1, test.version)
    next(threads)
    assert slow.entered.wait(PATIENCE)
    assert [test.version() for _ in range(5)] == ["1"] * 5
    slow.may_answer.set()
    assert next(threads) == ["2"]
    assert len(test.broker.asked) == 2


def test_a_wait_for_the_first_grant_has_an_end() -> None:
    test = Run(slow := Slow("1"))
    threads = in_threads(2, test.version)
    results = next(threads)
    all_waiting(test.store, 1)
    test.clock.now += WAIT_SECONDS
    with test.store._changed:
        test.store._changed.notify_all()
    for _ in range(1000):
        if results:
            break
        threading.Event().wait(0.01)
    assert [str(result) for result in results] == ["the broker has not answered yet"]
    slow.may_answer.set()
    assert "1" in next(threads)


def test_a_grant_of_the_store_shows_no_credential() -> None:
    found = run("canary-3f9a").store.get()
    assert found.credential is not None
    assert found.credential.password.reveal() == "canary-3f9a"
    assert "canary-3f9a" not in repr(found.credential)

"""Requests that need a grant: fetched once for all who wait, renewed on use, never hammered.

The decisions have a table of their own in `test_life.py`. Here requests, broker and clock meet.
"""

import traceback

import pytest

from sidecar.errors import BrokerRefused, BrokerUnreachable, UpstreamUnreachable
from sidecar.grants.life import BACK_OFF_SECONDS, PATIENCE_SECONDS, REFUSED_SECONDS, WAIT_SECONDS
from sidecar.grants.store import REFRESH_SECONDS
from support.sidecars.grant_stores import HARD, REFUSED, REQUESTS, SOFT, UNREACHABLE, Outcome, Run


def test_a_young_grant_is_used_without_asking() -> None:
    test = Run("1", "2")
    assert test.version() == "1"
    test.pass_time(SOFT - 0.1)
    assert test.version() == "1"
    assert test.broker.asked == [None]


def test_after_its_soft_life_the_next_use_asks() -> None:
    test = Run("1", "2")
    test.version()
    test.pass_time(SOFT)
    assert (test.version(), test.version()) == ("2", "2")
    assert test.broker.asked == [None, None]


def test_the_same_version_fetched_again_is_young_again() -> None:
    test = Run("1")
    test.version()
    for _ in range(3):
        test.pass_time(SOFT)
        assert (test.version(), test.version()) == ("1", "1")
    assert test.broker.asked == [None] * 4


def test_while_the_broker_is_away_a_grant_serves_until_its_hard_life_ends() -> None:
    test = Run("1", UNREACHABLE)
    test.version()
    test.pass_time(SOFT)
    assert test.version() == "1"
    test.pass_time(HARD - SOFT - 0.1)
    assert test.version() == "1"
    test.pass_time(0.1)
    with pytest.raises(BrokerUnreachable):
        test.version()


def test_the_hard_life_counts_from_the_last_grant_not_from_the_first() -> None:
    test = Run("1", "1", UNREACHABLE)
    test.version()
    test.pass_time(SOFT)
    test.version()
    test.pass_time(HARD - 1)
    assert test.version() == "1"


def test_a_refusal_ends_the_grant_at_once() -> None:
    test = Run("1", REFUSED)
    test.version()
    test.pass_time(SOFT)
    for _ in range(2):
        with pytest.raises(BrokerRefused, match="may not use"):
            test.version()
    assert test.broker.asked == [None, None]


def test_a_refusal_stands_for_a_while_and_then_the_broker_is_asked_again() -> None:
    test = Run(REFUSED, "1")
    for step in (0.0, REFUSED_SECONDS - 0.1):
        test.pass_time(step)
        with pytest.raises(BrokerRefused):
            test.version()
    assert len(test.broker.asked) == 1
    test.pass_time(0.1)
    assert test.version() == "1"


def test_a_broker_that_comes_back_after_a_refusal_does_not_bring_the_old_grant_back() -> None:
    test = Run("1", REFUSED, UNREACHABLE)
    test.version()
    test.pass_time(SOFT)
    with pytest.raises(BrokerRefused):
        test.version()
    test.pass_time(REFUSED_SECONDS)
    with pytest.raises(BrokerUnreachable):
        test.version()


def test_a_request_without_a_grant_waits_for_a_broker_that_comes_back() -> None:
    """Regression: pip repeats a 503 five times, and had given up after six seconds."""
    test = Run(UNREACHABLE, UNREACHABLE, "1")
    outcomes = test.play(*[(0.0, test.get)] * REQUESTS)
    assert outcomes == [Outcome("1", sum(BACK_OFF_SECONDS[:2]))] * REQUESTS
    assert test.broker.asked == [None] * 3


def test_its_patience_has_an_end() -> None:
    test = Run(UNREACHABLE)
    assert test.play((0.0, test.get), (1.0, test.get)) == [Outcome(UNREACHABLE, PATIENCE_SECONDS)] * 2
    assert len(test.broker.asked) == 4  # at 0, 0.5, 1.5 and 3.5 s


def test_nobody_waits_for_a_broker_that_says_no() -> None:
    test = Run(REFUSED)
    assert test.play((0.0, test.get), (1.0, test.get)) == [Outcome(REFUSED, 0)] * 2


def test_nobody_who_has_a_grant_waits_for_a_broker_that_is_away() -> None:
    test = Run("1", UNREACHABLE)
    test.version()
    test.pass_time(SOFT)
    assert test.play(*[(0.0, test.get)] * 3) == [Outcome("1", 0)] * 3


def test_an_answer_ends_the_back_off() -> None:
    test = Run("1", UNREACHABLE, UNREACHABLE, "2", UNREACHABLE, "3")
    test.version()
    test.pass_time(SOFT)
    for pause in BACK_OFF_SECONDS[:2]:
        assert test.version() == "1"
        test.pass_time(pause)
    assert test.version() == "2"
    test.pass_time(SOFT)
    assert test.version() == "2"
    test.pass_time(BACK_OFF_SECONDS[0])
    assert test.version() == "3"


def test_many_who_wait_for_the_first_grant_share_one_question() -> None:
    test = Run("1")
    test.threads.seconds = 3.0
    assert test.play(*[(0.0, test.get)] * REQUESTS, (1.0, test.get)) == [
        *[Outcome("1", 3)] * REQUESTS,
        Outcome("1", 2),
    ]
    assert test.broker.asked == [None]


@pytest.mark.parametrize("failure", [REFUSED, UNREACHABLE], ids=["refused", "unreachable"])
def test_many_who_wait_are_woken_by_a_failure_and_none_asks_again(failure: Exception) -> None:
    test = Run(failure)
    test.threads.seconds = PATIENCE_SECONDS
    outcomes = test.play(*[(0.0, test.get)] * REQUESTS)
    assert outcomes == [Outcome(failure, PATIENCE_SECONDS)] * REQUESTS
    assert test.broker.asked == [None]


def test_a_fault_in_the_brokers_client_reaches_its_request_and_wakes_all_others() -> None:
    test = Run(ZeroDivisionError())
    test.threads.seconds = PATIENCE_SECONDS
    first, *others = [outcome.result for outcome in test.play(*[(0.0, test.get)] * 5)]
    assert isinstance(first, ZeroDivisionError)
    assert [type(result) for result in others] == [BrokerUnreachable] * 4
    assert "the broker's client failed" in str(others[0])


def test_a_shortage_of_threads_reaches_each_request_and_is_no_answer_of_the_broker() -> None:
    test = Run("1")
    test.threads.shortage = shortage = UpstreamUnreachable("the limit of threads is reached")
    assert test.play(*[(0.0, test.get)] * 3) == [Outcome(shortage, 0)] * 3
    test.threads.shortage = None
    assert test.version() == "1"


def test_nobody_waits_for_a_refresh_while_the_old_grant_serves() -> None:
    test = Run("1", "2")
    test.version()
    test.pass_time(SOFT)
    test.threads.seconds = 0.75
    assert test.play((0.0, test.get), *[(0.5, test.get)] * 5) == [Outcome("2", 0.75), *[Outcome("1", 0)] * 5]
    assert len(test.broker.asked) == 2


def test_the_request_that_refreshes_waits_a_second_and_the_answer_serves_later_ones() -> None:
    test = Run("1", "2")
    test.version()
    test.pass_time(SOFT)
    test.threads.seconds = 5.0
    outcomes = test.play((0.0, test.get), (4.0, test.get), (5.5, test.get))
    assert outcomes == [Outcome("1", REFRESH_SECONDS), Outcome("1", 0), Outcome("2", 0)]
    assert test.broker.asked == [None, None]


@pytest.mark.parametrize("answer", ["2", UNREACHABLE], ids=["late", "unreachable"])
def test_a_grant_that_ends_during_its_refresh_serves_the_request_that_waited(answer: str | Exception) -> None:
    test = Run("1", answer)
    test.version()
    test.pass_time(HARD - 0.25)
    test.threads.seconds = 0.5 if answer is UNREACHABLE else 5.0
    waited = min(test.threads.seconds, REFRESH_SECONDS)
    assert test.play((0.0, test.get)) == [Outcome("1", waited)]


@pytest.mark.parametrize("failure", [UNREACHABLE, ZeroDivisionError()], ids=["unreachable", "a fault"])
def test_a_refresh_that_fails_after_the_request_went_on_is_remembered(failure: Exception) -> None:
    test = Run("1", failure)
    test.version()
    test.pass_time(SOFT)
    test.threads.seconds = 5.0
    outcomes = test.play((0.0, test.get), (5.25, test.get), (5.5, test.get))
    assert outcomes == [Outcome("1", REFRESH_SECONDS), Outcome("1", 0), Outcome("1", REFRESH_SECONDS)]
    assert test.broker.asked == [None, None]  # the third question has no answer yet


def test_a_refusal_reaches_the_request_that_refreshes() -> None:
    test = Run("1", REFUSED)
    test.version()
    test.pass_time(SOFT)
    test.threads.seconds = 0.5
    assert test.play((0.0, test.get)) == [Outcome(REFUSED, 0.5)]


def test_a_wait_for_the_first_grant_has_an_end() -> None:
    test = Run("1")
    test.threads.seconds = WAIT_SECONDS + 5
    first, second, third = test.play((0.0, test.get), (1.0, test.get), (10.0, test.get))
    assert first == Outcome("1", WAIT_SECONDS + 5)  # it asks, which has limits of its own
    assert (str(second.result), second.seconds) == ("the broker has not answered yet", WAIT_SECONDS)
    assert third == Outcome("1", WAIT_SECONDS - 5)


def test_a_failure_that_many_requests_share_holds_none_of_them() -> None:
    """Regression: its traceback grew with each raise, and held the frames of every request."""
    failure = BrokerRefused("NotAllowed", "no")
    test = Run(failure)
    depths = []
    for _ in range(3):
        test.play((0.0, test.get))
        depths.append(len(list(traceback.walk_tb(failure.__traceback__))))
    assert depths[1] == depths[2]


def test_a_grant_shows_no_credential() -> None:
    test = Run("canary-3f9a")
    grants = []

    async def get() -> None:
        grants.append(await test.grants.get())

    test.play((0.0, get))
    (given,) = grants
    assert given.credential is not None
    assert given.credential.password.reveal() == "canary-3f9a"
    assert "canary-3f9a" not in repr(given.credential)

"""After a 401 or 403 of the registry: a newer version of the grant, asked for seldom and once for all."""

from itertools import pairwise

import pytest

from sidecar.contract.words import Code
from sidecar.errors import BrokerRefused, BrokerUnreachable
from sidecar.grants.store import BACK_OFF_SECONDS, RENEW_SECONDS
from support.sidecars.grant_stores import (
    REFUSED,
    SOFT,
    THREADS,
    UNREACHABLE,
    Run,
    Slow,
    all_waiting,
    grant,
    in_threads,
    run,
)


def test_after_a_401_a_newer_version_is_fetched_and_used() -> None:
    test = run("1", "2")
    test.version()
    assert test.renewed("1") == "2"
    assert test.version() == "2"
    assert test.broker.asked == [None, "1"]


def test_the_broker_is_asked_for_a_newer_version_at_a_limited_rate() -> None:
    test = run("1")
    test.version()
    times = []
    for second in range(50):
        asked = len(test.broker.asked)
        assert test.renewed("1") is None
        if len(test.broker.asked) > asked:
            times.append(second)
        test.clock.now += 1
    assert [later - earlier for earlier, later in pairwise(times)] == [2, 3, 5, 8, 8, 8, 8]


def test_a_corrected_secret_serves_within_ten_seconds() -> None:
    test = run("1")
    test.version()
    for _ in range(600):
        test.renewed("1")
        test.clock.now += 1
    test.broker.script = ["2"]
    corrected = test.clock.now
    while test.renewed("1") is None:
        test.clock.now += 0.5
    assert test.clock.now - corrected < 10
    assert test.version() == "2"


def test_a_registry_that_cannot_be_reached_asks_every_fifteen_seconds_and_holds_up_no_other_question() -> (
    None
):
    test = run("1")
    test.version()
    for _ in range(31):
        assert test.renewed("1", Code.REGISTRY_UNREACHABLE) is None
        test.clock.now += 1
    assert test.renewed("1", Code.CREDENTIAL_RESTS) is None
    assert test.broker.causes == [None, *[Code.REGISTRY_UNREACHABLE] * 3, Code.CREDENTIAL_RESTS]


def test_whether_a_question_is_worth_a_thread_is_known_without_one() -> None:
    test = run("1")
    test.version()
    assert test.store.may_renew(grant("1"), Code.CREDENTIAL_RESTS)
    test.renewed("1")
    assert not test.store.may_renew(grant("1"), Code.CREDENTIAL_RESTS)
    assert test.store.may_renew(grant("1"), Code.REGISTRY_UNREACHABLE)
    assert test.store.may_renew(grant("an older one"), Code.CREDENTIAL_RESTS)
    test.clock.now += RENEW_SECONDS[0]
    assert test.store.may_renew(grant("1"), Code.CREDENTIAL_RESTS)


def test_a_second_refused_version_is_asked_about_at_once() -> None:
    test = run("1", "2", "3")
    test.version()
    assert test.renewed("1") == "2"
    assert test.renewed("2") == "3"
    assert test.broker.asked == [None, "1", "2"]


def test_a_request_that_began_with_an_older_grant_gets_the_current_one_without_asking() -> None:
    test = run("1", "2")
    test.version()
    assert test.renewed("1") == test.renewed("1") == "2"
    assert len(test.broker.asked) == 2


def test_many_who_are_refused_at_once_share_one_question() -> None:
    test = Run(slow := Slow("1", "2"))
    slow.may_answer.set()
    test.version()
    slow.may_answer.clear()
    threads = in_threads(THREADS, lambda: test.renewed("1"))
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == ["2"] * THREADS
    assert test.broker.asked == [None, "1"]


def test_many_who_are_refused_while_there_is_nothing_newer_share_one_question() -> None:
    test = Run(slow := Slow("1"))
    slow.may_answer.set()
    test.version()
    slow.may_answer.clear()
    threads = in_threads(THREADS, lambda: test.renewed("1"))
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == [None] * THREADS
    assert test.broker.asked == [None, "1"]


def test_many_who_are_refused_while_the_broker_is_away_share_one_question() -> None:
    """Regression: each of them asked in its turn, and waited for the time-outs of all before it."""
    test = Run(slow := Slow("1", UNREACHABLE))
    slow.may_answer.set()
    test.version()
    slow.may_answer.clear()
    threads = in_threads(THREADS, lambda: test.renewed("1"))
    next(threads)
    all_waiting(test.store, THREADS - 1)
    slow.may_answer.set()
    assert next(threads) == [UNREACHABLE] * THREADS
    assert test.broker.asked == [None, "1"]


def test_a_broker_that_was_away_is_asked_again_after_the_back_off_not_after_the_long_pause() -> None:
    test = run("1", UNREACHABLE, "2")
    test.version()
    for _ in range(2):
        with pytest.raises(BrokerUnreachable):
            test.renewed("1")
    assert len(test.broker.asked) == 2
    test.clock.now += BACK_OFF_SECONDS[0]
    assert test.renewed("1") == "2"


def test_a_refusal_on_renewal_ends_the_grant() -> None:
    test = run("1", REFUSED)
    test.version()
    with pytest.raises(BrokerRefused):
        test.renewed("1")
    with pytest.raises(BrokerRefused):
        test.version()
    assert len(test.broker.asked) == 2


def test_a_grant_that_was_renewed_is_as_young_as_any_other() -> None:
    test = run("1", "2", "3")
    test.version()
    test.clock.now += SOFT - 1
    test.renewed("1")
    test.clock.now += SOFT - 1
    assert test.version() == "2"
    test.clock.now += 1
    assert test.version() == "3"

"""After a 401 or 403 of the registry: a newer version of the grant, asked for seldom and once for all."""

import pytest
from grant_stores import REFUSED, SOFT, THREADS, UNREACHABLE, Run, Slow, all_waiting, in_threads, run

from sidecar.errors import BrokerRefused, BrokerUnreachable, CredentialRefused
from sidecar.grants import BACK_OFF_SECONDS, RENEW_SECONDS


def test_after_a_401_a_newer_version_is_fetched_and_used() -> None:
    test = run("1", "2")
    test.version()
    assert test.renewed("1") == "2"
    assert (test.version(), test.version("upload")) == ("2", "2")
    assert test.broker.asked == [None, "1"]


@pytest.mark.parametrize("action", ["install", "upload"])
def test_a_version_is_never_tried_twice_for_one_action_but_serves_the_other(action: str) -> None:
    other = {"install": "upload", "upload": "install"}[action]
    test = run("1")
    test.version(action)
    assert test.renewed("1", action) is None
    for _ in range(3):
        with pytest.raises(CredentialRefused, match="team/pypi"):
            test.version(action)
        assert test.version(other) == "1"
        test.clock.now += SOFT


def test_the_broker_is_asked_for_a_newer_version_at_a_limited_rate() -> None:
    test = run("1")
    test.version()
    for round_number in range(1, 4):
        for _ in range(5):
            assert test.renewed("1") is None
            with pytest.raises(CredentialRefused):
                test.version()
        assert test.broker.asked == [None] + ["1"] * round_number
        test.clock.now += RENEW_SECONDS


def test_a_corrected_secret_is_found_by_the_next_request_after_the_pause() -> None:
    test = run("1", "1", "2")
    test.version()
    assert test.renewed("1") is None
    test.clock.now += RENEW_SECONDS - 0.1
    with pytest.raises(CredentialRefused):
        test.version()
    test.clock.now += 0.1
    assert test.version() == "2"


def test_a_second_refused_version_is_asked_about_at_once() -> None:
    test = run("1", "2", "3")
    test.version()
    assert test.renewed("1") == "2"
    assert test.renewed("2") == "3"
    assert test.broker.asked == [None, "1", "2"]


def test_a_version_that_comes_back_is_still_refused() -> None:
    test = run("1", "2", "1")
    test.version()
    assert test.renewed("1") == "2"
    assert test.renewed("2") is None
    with pytest.raises(CredentialRefused):
        test.version()


def test_a_request_that_began_with_an_older_grant_gets_the_current_one_without_asking() -> None:
    test = run("1", "2")
    test.version()
    assert test.renewed("1") == test.renewed("1") == "2"
    assert len(test.broker.asked) == 2


def test_a_403_keeps_the_version_in_use_for_it_may_be_about_one_package() -> None:
    test = run("1")
    test.version()
    assert test.renewed("1", is_rejected=False) is None
    assert (test.version(), test.version("upload")) == ("1", "1")


def test_after_a_403_too_a_newer_version_is_asked_for_at_a_limited_rate() -> None:
    test = run("1", "1", "2")
    test.version()
    assert [test.renewed("1", is_rejected=False) for _ in range(4)] == [None] * 4
    assert test.broker.asked == [None, "1"]
    test.clock.now += RENEW_SECONDS
    assert test.renewed("1", is_rejected=False) == "2"
    assert test.version() == "2"


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


def test_a_refusal_on_renewal_ends_the_grant_for_every_action() -> None:
    test = run("1", REFUSED)
    test.version()
    with pytest.raises(BrokerRefused):
        test.renewed("1")
    for action in ("install", "upload"):
        with pytest.raises(BrokerRefused):
            test.version(action)
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

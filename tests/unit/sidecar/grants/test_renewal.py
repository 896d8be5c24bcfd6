"""After a 401 or 403 of the registry: a newer version of the grant, asked for seldom and once for all."""

from itertools import pairwise

import pytest

from sidecar.contract.words import Code
from sidecar.errors import BrokerRefused, BrokerUnreachable
from sidecar.grants.life import BACK_OFF_SECONDS, RENEW_SECONDS
from sidecar.grants.store import NEWER_SECONDS
from support.sidecars.grant_stores import REFUSED, REQUESTS, SOFT, UNREACHABLE, Outcome, Run


def test_after_a_401_a_newer_version_is_fetched_and_used() -> None:
    test = Run("1", "2")
    test.version()
    assert test.renewed("1") == "2"
    assert test.version() == "2"
    assert test.broker.asked == [None, "1"]


def test_the_broker_is_asked_for_a_newer_version_at_a_limited_rate() -> None:
    test = Run("1")
    test.version()
    times = []
    for second in range(50):
        asked = len(test.broker.asked)
        assert test.renewed("1") is None
        if len(test.broker.asked) > asked:
            times.append(second)
        test.pass_time(1)
    assert [later - earlier for earlier, later in pairwise(times)] == [2, 3, 5, 8, 8, 8, 8]


def test_a_corrected_secret_serves_within_ten_seconds() -> None:
    test = Run("1")
    test.version()
    for _ in range(600):
        test.renewed("1")
        test.pass_time(1)
    test.broker.script = ["2"]
    corrected = test.now
    while test.renewed("1") is None:
        test.pass_time(0.5)
    assert test.now - corrected < 10
    assert test.version() == "2"


def test_a_registry_that_cannot_be_reached_asks_every_fifteen_seconds_and_holds_up_no_other_question() -> (
    None
):
    test = Run("1")
    test.version()
    for _ in range(31):
        assert test.renewed("1", Code.REGISTRY_UNREACHABLE) is None
        test.pass_time(1)
    assert test.renewed("1", Code.CREDENTIAL_RESTS) is None
    assert test.broker.causes == [None, *[Code.REGISTRY_UNREACHABLE] * 3, Code.CREDENTIAL_RESTS]


def test_soon_after_a_question_nobody_waits_for_the_broker() -> None:
    test = Run("1")
    test.version()
    test.threads.seconds = 1.0
    assert test.play(*[(pause, test.renewal()) for pause in (0.0, 1.0, 1.5)]) == [
        Outcome(None, 1),
        Outcome(None, 0),
        Outcome(None, 0),
    ]
    test.pass_time(RENEW_SECONDS[0] - 1.5)
    assert test.play((0.0, test.renewal())) == [Outcome(None, 1)]


def test_a_second_refused_version_is_asked_about_at_once() -> None:
    test = Run("1", "2", "3")
    test.version()
    assert test.renewed("1") == "2"
    assert test.renewed("2") == "3"
    assert test.broker.asked == [None, "1", "2"]


def test_a_request_that_began_with_an_older_grant_gets_the_current_one_without_asking() -> None:
    test = Run("1", "2")
    test.version()
    assert test.renewed("1") == test.renewed("1") == "2"
    assert len(test.broker.asked) == 2


@pytest.mark.parametrize(
    ("answer", "result"),
    [("2", "2"), ("1", None), (UNREACHABLE, UNREACHABLE)],
    ids=["a newer one", "nothing newer", "no answer"],
)
def test_many_who_are_refused_at_once_share_one_question(
    answer: str | Exception, result: str | Exception | None
) -> None:
    """Regression: while the broker was away, each asked in its turn, after the time-outs of all others."""
    test = Run("1", answer)
    test.version()
    test.threads.seconds = 1.5
    assert test.play(*[(0.0, test.renewal())] * REQUESTS) == [Outcome(result, 1.5)] * REQUESTS
    assert test.broker.asked == [None, "1"]


def test_a_refusal_reaches_the_request_that_asked_and_the_others_know_of_nothing_newer() -> None:
    test = Run("1", REFUSED)
    test.version()
    test.threads.seconds = 1.5
    assert test.play(*[(0.0, test.renewal())] * 3) == [Outcome(REFUSED, 1.5), *[Outcome(None, 1.5)] * 2]


def test_a_broker_that_was_away_is_asked_again_after_the_back_off_not_after_the_long_pause() -> None:
    test = Run("1", UNREACHABLE, "2")
    test.version()
    for _ in range(2):
        with pytest.raises(BrokerUnreachable):
            test.renewed("1")
    assert len(test.broker.asked) == 2
    test.pass_time(BACK_OFF_SECONDS[0])
    assert test.renewed("1") == "2"


def test_a_refusal_on_renewal_ends_the_grant() -> None:
    test = Run("1", REFUSED)
    test.version()
    with pytest.raises(BrokerRefused):
        test.renewed("1")
    with pytest.raises(BrokerRefused):
        test.version()
    assert len(test.broker.asked) == 2


def test_a_grant_that_was_renewed_is_as_young_as_any_other() -> None:
    test = Run("1", "2", "3")
    test.version()
    test.pass_time(SOFT - 1)
    test.renewed("1")
    test.pass_time(SOFT - 1)
    assert test.version() == "2"
    test.pass_time(1)
    assert test.version() == "3"


def test_an_urgent_renewal_waits_two_seconds_and_the_answer_serves_later_requests() -> None:
    test = Run("1", "2")
    test.version()
    test.threads.seconds = 5.0
    urgent = test.renewal(is_urgent=True)
    outcomes = test.play(*[(0.0, urgent)] * REQUESTS, (4.0, urgent), (5.5, test.get))
    assert outcomes == [*[Outcome(None, NEWER_SECONDS)] * REQUESTS, Outcome("2", 1), Outcome("2", 0)]
    assert test.broker.asked == [None, "1"]


def test_a_renewal_waits_for_a_refresh_that_is_under_way() -> None:
    test = Run("1", "2")
    test.version()
    test.pass_time(SOFT)
    test.threads.seconds = 5.0
    assert test.play((0.0, test.get), (0.5, test.renewal()))[1] == Outcome("2", 4.5)
    assert test.broker.asked == [None, None]

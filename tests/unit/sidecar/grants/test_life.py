"""The life of a grant as a table: the step of a request and of a renewal in each state, and each event."""

from collections.abc import Callable

import pytest

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from sidecar.errors import BrokerError
from sidecar.grants.life import (
    BACK_OFF_SECONDS,
    PATIENCE_SECONDS,
    REFUSED_SECONDS,
    RENEW_SECONDS,
    UNREACHABLE_SECONDS,
    WAIT_SECONDS,
    Ask,
    Life,
    asked,
    failed,
    fetched,
    next_renewal,
    next_step,
    unasked,
    young_grant,
)
from sidecar.grants.trust import Wait
from support.sidecars.grant_stores import HARD, REFUSED, SOFT, UNREACHABLE, grant

NOW = 1000.0
ONE, TWO = grant("1"), grant("2")
WHENEVER = Wait(float("inf"))

EMPTY = Life()
ASKING = asked(EMPTY, NOW)
YOUNG = fetched(ASKING, NOW, ONE)
OLD = fetched(ASKING, NOW - SOFT, ONE)
OVER = fetched(ASKING, NOW - HARD, ONE)
OLD_ASKING, OVER_ASKING = asked(OLD, NOW), asked(OVER, NOW)
AWAY = failed(ASKING, NOW, UNREACHABLE)
AWAY_YOUNG = failed(asked(YOUNG, NOW), NOW, UNREACHABLE)
AWAY_OLD, AWAY_OVER = failed(OLD_ASKING, NOW, UNREACHABLE), failed(OVER_ASKING, NOW, UNREACHABLE)
NO = failed(OLD_ASKING, NOW, REFUSED)

Step = Grant | Ask | Wait | BrokerError | None

TABLE: dict[str, tuple[Life, Step, Step]] = {
    # the state at NOW, for a request that comes now, for a renewal of version 1
    "empty": (EMPTY, Ask(None), Ask(None)),
    "asking": (ASKING, Wait(NOW + WAIT_SECONDS), WHENEVER),
    "young": (YOUNG, ONE, Ask(None)),
    "young, and asking": (asked(YOUNG, NOW), ONE, WHENEVER),
    "young, and away": (AWAY_YOUNG, ONE, UNREACHABLE),
    "old": (OLD, Ask(ONE), Ask(None)),
    "old, and asking": (OLD_ASKING, ONE, WHENEVER),
    "old, and away": (AWAY_OLD, ONE, UNREACHABLE),
    "over": (OVER, Ask(None), Ask(None)),
    "over, and asking": (OVER_ASKING, Wait(NOW + WAIT_SECONDS), WHENEVER),
    "over, and away": (AWAY_OVER, Wait(NOW + BACK_OFF_SECONDS[0]), UNREACHABLE),
    "away": (AWAY, Wait(NOW + BACK_OFF_SECONDS[0]), UNREACHABLE),
    "refused": (NO, REFUSED, REFUSED),
}


@pytest.mark.parametrize(("life", "request_step", "_"), TABLE.values(), ids=TABLE)
def test_each_state_has_its_step_for_a_request(life: Life, request_step: Step, _: Step) -> None:
    assert next_step(life, NOW, NOW) == request_step
    assert young_grant(life, NOW) == (ONE if life in (YOUNG, AWAY_YOUNG, asked(YOUNG, NOW)) else None)


@pytest.mark.parametrize(("life", "_", "renewal_step"), TABLE.values(), ids=TABLE)
def test_each_state_has_its_step_for_a_renewal(life: Life, _: Step, renewal_step: Step) -> None:
    assert next_renewal(life, NOW, "1", Code.CREDENTIAL_REFUSED) == renewal_step


@pytest.mark.parametrize("life", [YOUNG, OLD, OVER, AWAY_OLD], ids=["young", "old", "over", "away"])
def test_a_renewal_of_another_version_uses_the_present_one(life: Life) -> None:
    assert next_renewal(life, NOW, "an older one", Code.CREDENTIAL_REFUSED) == ONE


EVENTS: dict[str, Callable[[Life], Life]] = {
    "a grant": lambda life: fetched(life, NOW, ONE),
    "another grant": lambda life: fetched(life, NOW, TWO),
    "a refusal": lambda life: failed(life, NOW, REFUSED),
    "no answer": lambda life: failed(life, NOW, UNREACHABLE),
    "no thread": lambda life: unasked(life, "1", Code.CREDENTIAL_REFUSED),
}


@pytest.mark.parametrize(
    ("event", "step"),
    [
        ("a grant", ONE),
        ("another grant", TWO),
        ("a refusal", REFUSED),
        ("no answer", ONE),
        ("no thread", Ask(ONE)),
    ],
)
def test_each_event_ends_the_question_and_leads_an_old_grant_to_its_next_state(
    event: str, step: Step
) -> None:
    after = EVENTS[event](OLD_ASKING)
    assert after.asked_at is None
    assert next_step(after, NOW, NOW) == step


def test_the_soft_and_the_hard_life_end_at_their_second() -> None:
    assert next_step(YOUNG, NOW + SOFT - 0.1, NOW) == ONE
    assert next_step(YOUNG, NOW + SOFT, NOW) == Ask(ONE)
    assert next_step(YOUNG, NOW + HARD - 0.1, NOW) == Ask(ONE)
    assert next_step(YOUNG, NOW + HARD, NOW) == Ask(None)


@pytest.mark.parametrize("life", [OLD, EMPTY], ids=["with an old grant", "without one"])
def test_the_pauses_between_questions_grow_while_the_broker_is_away(life: Life) -> None:
    now = NOW
    usable = life.grant
    for pause in (*BACK_OFF_SECONDS, BACK_OFF_SECONDS[-1], BACK_OFF_SECONDS[-1]):
        assert next_step(life, now, now) == Ask(usable)
        life = failed(asked(life, now), now, UNREACHABLE)
        assert next_step(life, now, now) == (usable or Wait(now + pause))
        assert next_step(life, now + pause - 0.01, NOW - PATIENCE_SECONDS) == (usable or UNREACHABLE)
        now += pause
    assert next_step(life, now, now) == Ask(usable)


def test_an_answer_ends_the_back_off() -> None:
    for _ in range(3):
        life = failed(asked(AWAY, NOW), NOW, UNREACHABLE)
    life = fetched(life, NOW, ONE)
    assert failed(asked(life, NOW), NOW, UNREACHABLE).retry_at == NOW + BACK_OFF_SECONDS[0]


def test_a_request_without_a_grant_waits_for_the_next_question_but_not_beyond_its_patience() -> None:
    assert next_step(AWAY, NOW, NOW) == Wait(NOW + BACK_OFF_SECONDS[0])
    came = NOW + 0.25 - PATIENCE_SECONDS
    assert next_step(AWAY, NOW, came) == Wait(NOW + 0.25)
    assert next_step(AWAY, NOW + 0.25, came) == UNREACHABLE


def test_a_refusal_stands_for_its_time() -> None:
    assert next_step(NO, NOW + REFUSED_SECONDS - 0.1, NOW) == REFUSED
    assert next_step(NO, NOW + REFUSED_SECONDS, NOW) == Ask(None)


def test_a_wait_for_an_answer_counts_from_the_request_or_from_a_later_question() -> None:
    assert next_step(ASKING, NOW + 5, NOW + 5) == Wait(NOW + 5 + WAIT_SECONDS)
    assert next_step(ASKING, NOW + 5, NOW - 5) == Wait(NOW + WAIT_SECONDS)
    late = next_step(ASKING, NOW + WAIT_SECONDS, NOW)
    assert str(late) == "the broker has not answered yet"


@pytest.mark.parametrize(
    ("cause", "pauses"),
    [(Code.CREDENTIAL_REFUSED, RENEW_SECONDS), (Code.REGISTRY_UNREACHABLE, UNREACHABLE_SECONDS)],
)
def test_the_pauses_between_renewals_of_one_version_grow_to_their_last(
    cause: str, pauses: tuple[float, ...]
) -> None:
    life, now = YOUNG, NOW
    for pause in (*pauses, pauses[-1], pauses[-1]):
        assert next_renewal(life, now, "1", cause) == Ask(None)
        life = fetched(asked(life, now, "1", cause), now, ONE)
        assert next_renewal(life, now + pause - 0.1, "1", cause) is None
        now += pause


def test_a_registry_that_cannot_be_reached_and_a_refused_credential_have_each_their_pace() -> None:
    life = fetched(asked(YOUNG, NOW, "1", Code.CREDENTIAL_REFUSED), NOW, ONE)
    assert next_renewal(life, NOW, "1", Code.CREDENTIAL_RESTS) is None
    assert next_renewal(life, NOW, "1", Code.REGISTRY_UNREACHABLE) == Ask(None)
    life = fetched(asked(life, NOW, "1", Code.REGISTRY_UNREACHABLE), NOW, ONE)
    for cause in (Code.CREDENTIAL_REFUSED, Code.REGISTRY_UNREACHABLE):
        assert next_renewal(life, NOW, "1", cause) is None


def test_another_version_begins_its_pace_anew() -> None:
    life = fetched(asked(YOUNG, NOW, "1", Code.CREDENTIAL_REFUSED), NOW, TWO)
    assert next_renewal(life, NOW, "2", Code.CREDENTIAL_REFUSED) == Ask(None)
    assert not life.paces


def test_a_question_without_an_answer_does_not_count_for_the_pace() -> None:
    life = asked(YOUNG, NOW, "1", Code.CREDENTIAL_REFUSED)
    life = failed(unasked(life, "1", Code.CREDENTIAL_REFUSED), NOW, UNREACHABLE)
    assert next_renewal(life, NOW, "1", Code.CREDENTIAL_REFUSED) == UNREACHABLE
    assert next_renewal(life, NOW + BACK_OFF_SECONDS[0], "1", Code.CREDENTIAL_REFUSED) == Ask(None)


def test_within_the_pause_a_refused_version_has_nothing_newer_even_where_the_broker_said_no() -> None:
    life = failed(asked(YOUNG, NOW, "1", Code.CREDENTIAL_REFUSED), NOW, REFUSED)
    assert next_renewal(life, NOW, "1", Code.CREDENTIAL_REFUSED) is None
    assert next_renewal(life, NOW + RENEW_SECONDS[0], "1", Code.CREDENTIAL_REFUSED) == REFUSED


def test_an_event_changes_no_earlier_state() -> None:
    before = YOUNG
    asked(before, NOW, "1", Code.CREDENTIAL_REFUSED)
    assert before == fetched(ASKING, NOW, ONE)
    assert not before.paces

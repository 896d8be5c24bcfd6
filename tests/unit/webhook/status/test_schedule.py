"""The times of probes, with a clock that stands still."""

import pytest

from webhook.connector.conditions import Probe
from webhook.status.schedule import (
    DOUBT_SECONDS,
    FAILED_SECONDS,
    JITTER,
    REFUSED_SECONDS,
    WELL_SECONDS,
    LastProbe,
    ProbeKey,
    after_probe,
    doubted,
    is_due,
    look_period,
    restored,
)

KEY = ProbeKey("uid", 1, 7)
OK = Probe("ok", "status code 200")
GONE = Probe("unreachable", "connection refused")
ODD = Probe("unexpected", "status code 500")
REFUSED = Probe("refused", "status code 401")
MIDDLE = 0.5  # no jitter
DAY = 86400.0


def pauses(*probes: Probe, has_secret: bool = True) -> list[float]:
    """Seconds from each probe to the next."""
    last: LastProbe | None = None
    computed = []
    for probe in probes:
        last = after_probe(last, KEY, probe, has_secret=has_secret, now=0.0, spread=MIDDLE)
        computed.append(last.due)
    return computed


@pytest.mark.parametrize(
    ("computed", "expected"),
    [
        (pauses(OK, OK), [300, 300]),
        (pauses(GONE, GONE, ODD, GONE, GONE, GONE, GONE), [15, 30, 60, 120, 240, 300, 300]),
        (pauses(GONE, GONE, OK, GONE), [15, 30, 300, 15]),
        (pauses(REFUSED, REFUSED, REFUSED, REFUSED, REFUSED), [600, 1200, 2400, 3600, 3600]),
        # an account does not forget refusals because of failed connections between them
        (pauses(REFUSED, GONE, REFUSED, GONE, REFUSED), [600, 15, 1200, 15, 2400]),
        (pauses(REFUSED, REFUSED, OK, REFUSED), [600, 1200, 300, 60]),
        # accepted a moment ago: a directory may have been away
        (pauses(OK, REFUSED, REFUSED, REFUSED), [300, 60, 1200, 2400]),
        (pauses(OK, GONE, REFUSED), [300, 15, 600]),
        # anonymous: no account could be locked
        (pauses(REFUSED, REFUSED, REFUSED, has_secret=False), [15, 30, 60]),
        (pauses(*[GONE] * 2000)[-1:], [300]),
    ],
)
def test_a_registry_is_probed_seldom_and_ever_later_after_failures(
    computed: list[float], expected: list[float]
) -> None:
    assert computed == expected


def attempts(window: float, *, before: LastProbe | None = None) -> int:
    """Number of probes within the window that begins with the first; all have the same result."""
    now, last, count = 0.0, before, 0
    while now < window:
        count += 1
        last = after_probe(last, KEY, REFUSED, has_secret=True, now=now, spread=0.0)
        now = last.due
    return count


@pytest.mark.parametrize(("count", "seconds"), [(1, 25.0), (1250, 25.0), (1500, 30.0), (10_000, 200.0)])
def test_many_connectors_of_a_namespace_are_looked_at_less_often(count: int, seconds: float) -> None:
    assert look_period(25.0, count) == seconds


def test_a_wrong_password_is_tried_too_seldom_to_lock_an_account() -> None:
    assert attempts(1800) <= 3
    assert attempts(DAY) <= 32
    accepted = after_probe(None, KEY, OK, has_secret=True, now=-100.0, spread=MIDDLE)
    assert attempts(1800, before=accepted) <= 3


def test_a_doubt_of_pods_leads_to_a_probe_of_a_registry_that_was_well_a_minute_ago() -> None:
    last = after_probe(None, KEY, OK, has_secret=True, now=0.0, spread=MIDDLE)
    assert not is_due(doubted(last, DOUBT_SECONDS - 1), KEY, DOUBT_SECONDS - 1)
    assert is_due(doubted(last, DOUBT_SECONDS), KEY, DOUBT_SECONDS)
    again = after_probe(last, KEY, OK, has_secret=True, now=DOUBT_SECONDS, spread=MIDDLE)
    assert not is_due(doubted(again, DOUBT_SECONDS + 1), KEY, DOUBT_SECONDS + 1)


@pytest.mark.parametrize("probe", [REFUSED, GONE, ODD])
def test_a_doubt_of_pods_that_brings_no_news_changes_no_schedule(probe: Probe) -> None:
    last = after_probe(None, KEY, probe, has_secret=True, now=0.0, spread=MIDDLE)
    assert doubted(last, last.due - 1) == last


def test_a_new_generation_secret_or_connector_is_probed_at_once() -> None:
    last = after_probe(None, KEY, REFUSED, has_secret=True, now=0.0, spread=MIDDLE)
    assert not is_due(last, KEY, 599.0)
    assert is_due(last, KEY, 600.0)
    for other in (ProbeKey("uid", 2, 7), ProbeKey("uid", 1, 8), ProbeKey("other", 1, 7)):
        assert is_due(last, other, 0.0)
        again = after_probe(last, other, REFUSED, has_secret=True, now=0.0, spread=MIDDLE)
        assert again.due == REFUSED_SECONDS[0]
    assert is_due(None, KEY, 0.0)


@pytest.mark.parametrize(("probe", "seconds"), [(OK, WELL_SECONDS), (GONE, FAILED_SECONDS[0])])
def test_the_pause_is_jittered_around_its_middle(probe: Probe, seconds: float) -> None:
    least, most = (
        after_probe(None, KEY, probe, has_secret=True, now=0.0, spread=spread).due for spread in (0.0, 1.0)
    )
    assert (least, most) == (pytest.approx(seconds * (1 - JITTER)), pytest.approx(seconds * (1 + JITTER)))


@pytest.mark.parametrize(
    ("probe", "earliest", "latest"),
    [
        (OK, 0.0, 300.0),
        (GONE, 0.0, 15.0),
        # a broker that restarts every minute tries no password that was refused
        (REFUSED, 600.0, 720.0),
    ],
)
def test_probes_of_another_replica_are_not_repeated_all_at_once(
    probe: Probe, earliest: float, latest: float
) -> None:
    computed = [
        restored(KEY, probe, has_secret=True, now=1000.0, spread=spread).due - 1000.0 for spread in (0.0, 1.0)
    ]
    assert computed == [pytest.approx(earliest), pytest.approx(latest)]

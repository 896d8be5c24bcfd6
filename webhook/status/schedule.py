"""When a registry is probed again: at once after a change, else seldom, and later after failures. Pure.

Times are monotonic seconds. The caller draws `spread` from 0 to 1: without it, a thousand Connectors that
appeared together would be probed together for ever.

This module counts refusals for each Connector, `shared_probes` for each credential, which many Connectors
may use. Neither count can be derived from the other.
"""

from dataclasses import dataclass, replace

from webhook.connector.conditions import Probe

WELL_SECONDS = 300.0
"""A grant's soft life: the status shows a broken registry about when Pods notice it. A thousand Connectors
cause three or four requests a second."""

FAILED_SECONDS = (15.0, 300.0)
"""First and longest pause after a failed connection. A registry that restarts is back within a minute; a
registry that stays away costs no more than a healthy one."""

REFUSED_SECONDS = (600.0, 3600.0)
"""First and longest pause after a refused credential. Accounts are locked after 3 to 10 failures within 10
to 30 minutes: any half hour has three tries at most. A changed Secret or Connector is tried at once."""

REFUSED_ONCE_SECONDS = 60.0
"""Replaces the first pause if the credential was accepted a moment before. A directory that was away is back
by then, and the status is not wrong for ten minutes. Any half hour still has three tries at most"""

DOUBT_SECONDS = 60.0
"""Pause between two probes of a registry that is well by its last probe, while Pods report the opposite"""

LOOKS_PER_SECOND = 50.0
"""Looks at the Connectors of one namespace. A look reads their Secrets, 3 ms of CPU. Ten thousand in 25 s
would take more than one CPU, and the same process gives grants."""

JITTER = 0.2


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """The state that a probe is valid for. Once any field changes, an earlier probe says nothing."""

    uid: str
    generation: int
    digest: int
    """Of credential and CA, and of what a class can change"""


@dataclass(frozen=True, slots=True)
class LastProbe:
    """The newest probe of a registry, and the time of the next one."""

    key: ProbeKey
    probe: Probe
    failures: int
    """Failed connections in a row"""
    refusals: int
    """Since the credential was accepted, or was new: an account counts them through failed connections"""
    due: float
    probed_at: float = 0.0


def look_period(least_seconds: float, in_namespace: int) -> float:
    """Seconds between two looks at a Connector; `in_namespace`: number of Connectors in its namespace."""
    return max(least_seconds, in_namespace / LOOKS_PER_SECOND)


def is_due(last: LastProbe | None, key: ProbeKey, now: float) -> bool:
    return last is None or last.key != key or now >= last.due


def after_probe(
    previous: LastProbe | None, key: ProbeKey, probe: Probe, *, has_secret: bool, now: float, spread: float
) -> LastProbe:
    """The probe that ended now, with the time of the next one."""
    before = previous if previous is not None and previous.key == key else None
    failures = refusals = 0
    if probe.outcome == "refused" and has_secret:
        refusals = 1 + (before.refusals if before else 0)
    elif probe.outcome != "ok":
        failures = 1 + (before.failures if before else 0)
        refusals = before.refusals if before else 0
    was_accepted = before is not None and before.probe.outcome == "ok"
    pause = _pause(probe, failures, refusals, was_accepted=was_accepted)
    due = now + pause * (1 + JITTER * (2 * spread - 1))
    return LastProbe(key, probe, failures, refusals, due, probed_at=now)


def doubted(last: LastProbe, now: float) -> LastProbe:
    """Pods report that the registry does not serve them: a probe is due now.

    Nothing changes if the last probe says so too, or is only a moment old.
    """
    if last.probe.outcome != "ok" or now < last.probed_at + DOUBT_SECONDS or last.due <= now:
        return last
    return replace(last, due=now)


def restored(key: ProbeKey, probe: Probe, *, has_secret: bool, now: float, spread: float) -> LastProbe:
    """The probe that another replica, or this replica before its restart, wrote into the status.

    Its time is unknown. Most registries are due within their usual pause, spread over it. A refused
    credential waits the whole pause: a broker that restarts again and again must not lock an account.
    """
    first = after_probe(None, key, probe, has_secret=has_secret, now=now, spread=0.5)
    pause = first.due - now
    return replace(first, due=now + (pause * (1 + JITTER * spread) if first.refusals else pause * spread))


def shortest_refused_pause(count: int, *, was_accepted: bool = False) -> float:
    """Seconds after `count` refusals in which no Connector is due by itself.

    `was_accepted`: the credential was accepted before the first refusal.
    """
    return _refused_pause(count, was_accepted=was_accepted) * (1 - JITTER)


def _refused_pause(count: int, *, was_accepted: bool) -> float:
    return REFUSED_ONCE_SECONDS if was_accepted and count == 1 else _doubled(REFUSED_SECONDS, count)


def _pause(probe: Probe, failures: int, refusals: int, *, was_accepted: bool) -> float:
    if probe.outcome == "ok":
        return WELL_SECONDS
    # a refusal without a credential counts as a failure: there is no account that could be locked
    if failures:
        return _doubled(FAILED_SECONDS, failures)
    return _refused_pause(refusals, was_accepted=was_accepted)


def _doubled(pauses: tuple[float, float], count: int) -> float:
    first, longest = pauses
    return float(min(longest, first * 2 ** min(count - 1, 16)))

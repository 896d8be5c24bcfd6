"""When a registry is asked again: at once after a change, else seldom, later after failures. Pure.

Times are monotonic seconds. `spread` is drawn from 0 to 1 by the caller: without it, a thousand Connectors
that appeared together would be asked together for ever.
"""

from dataclasses import dataclass, replace

from webhook.connector.conditions import Probe

WELL_SECONDS = 300.0
"""A grant's soft life: a registry that broke is told in the status about when Pods notice, and a thousand
Connectors are three or four requests a second."""

FAILED_SECONDS = (15.0, 300.0)
"""First and longest distance after a failed connection. A registry that restarts is back within a minute; one
that stays away costs no more than one that is well."""

REFUSED_SECONDS = (600.0, 3600.0)
"""First and longest distance after a refused credential. Accounts are locked after 3 to 10 failures within 10
to 30 minutes: at most three fall into any half hour. A changed Secret or Connector is tried at once."""

REFUSED_ONCE_SECONDS = 60.0
"""Replaces the first pause if the credential was accepted a moment before: a directory that was away is back
by then, and the status is not wrong for ten minutes. Still any half hour has three tries at most"""

DOUBT_SECONDS = 60.0
"""Pause between two looks at a registry that was well when asked, while Pods say otherwise"""

LOOKS_PER_SECOND = 50.0
"""Looks at the Connectors of one namespace. A look reads their Secrets, 3 ms of CPU. Ten thousand in 25 s
would take more than one CPU, and the same process gives grants."""

JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Subject:
    """What was asked about. Once anything of it changes, an earlier answer says nothing."""

    uid: str
    generation: int
    material: int
    """A digest of credential and CA"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry showed, and when it is asked again."""

    subject: Subject
    probe: Probe
    failures: int
    """Failed connections in a row"""
    refusals: int
    """Since the credential was taken, or was new: what lies between them does not make an account forget"""
    due: float
    asked: float = 0.0
    """Time of this probe"""


def look_period(least_seconds: float, in_namespace: int) -> float:
    """Seconds between two looks at a Connector; `in_namespace`: number of Connectors in its namespace."""
    return max(least_seconds, in_namespace / LOOKS_PER_SECOND)


def is_due(answer: Answer | None, subject: Subject, now: float) -> bool:
    return answer is None or answer.subject != subject or now >= answer.due


def next_answer(
    previous: Answer | None, subject: Subject, probe: Probe, *, has_secret: bool, now: float, spread: float
) -> Answer:
    """With the time of the next question."""
    before = previous if previous is not None and previous.subject == subject else None
    failures = refusals = 0
    if probe.outcome == "refused" and has_secret:
        refusals = 1 + (before.refusals if before else 0)
    elif probe.outcome != "ok":
        failures = 1 + (before.failures if before else 0)
        refusals = before.refusals if before else 0
    was_accepted = before is not None and before.probe.outcome == "ok"
    pause = _pause(probe, failures, refusals, was_accepted=was_accepted)
    due = now + pause * (1 + JITTER * (2 * spread - 1))
    return Answer(subject, probe, failures, refusals, due, asked=now)


def doubted(answer: Answer, now: float) -> Answer:
    """Pods say that the registry does not serve: a look is due, unless this is known or just checked."""
    if answer.probe.outcome != "ok" or now < answer.asked + DOUBT_SECONDS or answer.due <= now:
        return answer
    return replace(answer, due=now)


def taken_over(subject: Subject, probe: Probe, *, has_secret: bool, now: float, spread: float) -> Answer:
    """The answer that another replica, or this one before its restart, wrote into the status.

    When it was asked is not known. Most are due within their usual distance, spread over it. A refused
    credential waits the whole distance: a broker that restarts again and again must not lock an account.
    """
    first = next_answer(None, subject, probe, has_secret=has_secret, now=now, spread=0.5)
    pause = first.due - now
    return replace(first, due=now + (pause * (1 + JITTER * spread) if first.refusals else pause * spread))


def shortest_refused_pause(count: int, *, was_accepted: bool = False) -> float:
    """Seconds after `count` refusals, before which no Connector is due by itself. `was_accepted`: before the
    first refusal."""
    return _refused_pause(count, was_accepted=was_accepted) * (1 - JITTER)


def _refused_pause(count: int, *, was_accepted: bool) -> float:
    return REFUSED_ONCE_SECONDS if was_accepted and count == 1 else _later(REFUSED_SECONDS, count)


def _pause(probe: Probe, failures: int, refusals: int, *, was_accepted: bool) -> float:
    if probe.outcome == "ok":
        return WELL_SECONDS
    # a refusal without a credential counts as a failure: there is no account that could be locked
    if failures:
        return _later(FAILED_SECONDS, failures)
    return _refused_pause(refusals, was_accepted=was_accepted)


def _later(limits: tuple[float, float], count: int) -> float:
    first, longest = limits
    return float(min(longest, first * 2 ** min(count - 1, 16)))

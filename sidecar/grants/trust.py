"""How far a registry's 401 is believed, and when its credential is tried again. Pure: no clock, no task.

Each version of the grant has a `Trust` for each action, install or upload. Before a request `ask` decides,
and after it `end` takes the answer; each returns the next state. The rules for users stand in docs/faults.md,
"How far a 401 is believed".

State   | meaning                            | a request may                        | 401      | accepted
------- | ---------------------------------- | ------------------------------------ | -------- | --------
fresh   | no request was answered yet but    | go alone; the others wait for its    | resting  | good
        | by 403, for 3 packages at most     | answer, 2 s at most                  |          |
good    | the last answer was no 401         | go                                   | doubted  | good
unheard | 3 clients in a row left before     | go alone; if the answer is slow,     | doubted  | good
        | their answer                       | another may go every 2 s             |          |
doubted | accepted before, 401 once or twice | the same, after requests under way   | doubted, | good
        | in a row                           | have answers, or after 2 s           | resting  |
resting | accepted before, 401 three times;  | go alone at `try_at`; before that,   | resting, | good
        | or never accepted, 401 once, or    | and beside a try, it is refused      | longer   |
        | 403 for 4 packages                 | at once                              |          |

Accepted means any answer of the registry itself but 401 and 403. A 403 may be about one package. A gateway's
answer (429, 5xx) says nothing about the credential. Neither changes the state, with one exception: some
registries answer 403 to a wrong password. A credential that was never accepted rests after a 403 for each of
`FORBIDDEN_NEW` packages, and while it rests, a 403 counts as a 401.

Of requests that were under way together, only the first 401 counts. A request remembers the `epoch` of its
start, and a 401 that counts begins a new epoch. Example: fifty requests that are refused at once make one
refusal.

A subject is a package. If all refusals are about one subject, that subject alone rests, after the second: a
registry that answers 401 for one package blocks no other. A third, about another subject, rests the version.

Refused tries in a row are bounded, without requests that are under way together:

- accepted before: 3 at once, then after 10, 40, 100, 220 and 520 s (`RESTS_ACCEPTED`): 8 in 15 minutes, or 7
  for one subject alone
- never accepted: 1 at once, then after 30, 150 and 450 s (`RESTS_NEW`): 4 in 15 minutes, and 3 more by 403
  for different packages

Clients that leave early hide `UNHEARD` more. Before a rest there is no bound for 403 answers about the same
package, or to uploads, which name no package.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

RESTS_ACCEPTED = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds until the next try of a credential that was accepted before; the last repeats"""
RESTS_NEW = (30.0, 120.0, 300.0, 600.0)
"""Seconds for a credential that was never accepted: most likely it is wrong"""
REFUSALS_ACCEPTED = 3
"""Refusals in a row that can no longer be about one request, or one moment"""
AHEAD_SECONDS = 2.0
"""Longest wait for the answer of a request that goes ahead: a registry needs less to warm up a session"""
UNHEARD = 3
"""Clients in a row that left before their answer, perhaps a 401. Arbitrary; no account is locked so soon"""
FORBIDDEN_NEW = 4
"""Packages answered 403 that can no longer be about one package. Arbitrary; no account is locked so soon"""

Verdict = Literal["accepted", "refused", "forbidden", "unjudged", "left"]
"""`forbidden`: a 403; `unjudged`: a gateway's error, or no answer; `left`: the client did not wait for it"""


class Trust(NamedTuple):
    """The state of one version for one action. The default is `fresh`."""

    is_accepted: bool = False
    refusals: int = 0
    """Refusals in a row that count"""
    subject: str = ""
    """The subject of all of them; empty if they had several, or it is unknown"""
    try_at: float = 0.0
    """Time of the next try, while the version or the subject rests"""
    lone: int = 0
    """Number of the request that went alone and has no answer yet; 0: none"""
    lone_since: float = 0.0
    refused_at: float = 0.0
    """Time of the last refusal that counts"""
    unheard: int = 0
    """Clients in a row that left before their answer"""
    forbidden: frozenset[str] = frozenset()
    """Subjects answered 403, before anything was accepted or refused"""
    epoch: int = 0

    @property
    def is_good(self) -> bool:
        """Whether every request may go: the usual case."""
        return self.is_accepted and not self.refusals and self.unheard < UNHEARD

    def rests(self, subject: str) -> bool:
        """Whether a request about this subject has to wait for `try_at`."""
        if not self.is_accepted:
            return self.refusals > 0
        if self.subject:
            return self.refusals >= REFUSALS_ACCEPTED - 1 and subject == self.subject
        return self.refusals >= REFUSALS_ACCEPTED


class Go(NamedTuple):
    """The request may go. The caller hands this to `end`."""

    number: int
    epoch: int
    is_lone: bool
    """The request goes alone"""
    is_awaited: bool
    """Wait for the answer even if the client leaves: it decides about the credential"""
    is_second: bool
    """The request was answered 401 before"""


GOOD = Go(0, 0, is_lone=False, is_awaited=False, is_second=False)
"""For a request that goes beside others; `ask` sets number and epoch"""


class Wait(NamedTuple):
    """Ask again when something has changed, or at this time."""

    until: float


class Rest(NamedTuple):
    """Refused at once. The next try is at this time; or after the end of a try that is under way."""

    until: float


def ask(
    trust: Trust, now: float, number: int, subject: str = "", *, others: int = 0, is_second: bool = False
) -> tuple[Trust, Go | Wait | Rest]:
    """Decide what a request may do. `number`: its own, from 1. `others`: requests without an answer yet.

    A second try goes alone in any state. In state good, new requests may go beside it.
    """
    if trust.is_good and not is_second:
        return trust, GOOD._replace(number=number, epoch=trust.epoch)
    if trust.rests(subject):
        if trust.lone or now < trust.try_at:
            return trust, Rest(max(now, trust.try_at))
        # whatever this try brings, the next one waits for the same pause again
        return _alone(trust._replace(try_at=now + _pause(trust)), now, number, is_second=is_second)
    if trust.refusals and others and now < trust.refused_at + AHEAD_SECONDS:
        return trust, Wait(trust.refused_at + AHEAD_SECONDS)
    until = trust.lone_since + AHEAD_SECONDS
    if not trust.lone or (now >= until and (trust.is_accepted or is_second)):
        return _alone(trust, now, number, is_second=is_second)
    if now >= until:  # fresh, and the answer to the first request is slow
        return trust, GOOD._replace(number=number, epoch=trust.epoch)
    return trust, Wait(until)


def end(trust: Trust, go: Go, verdict: Verdict, now: float, subject: str = "") -> Trust:
    """The state after the answer to a request about `subject`."""
    if trust.lone and trust.lone == go.number:
        trust = trust._replace(lone=0)
    if verdict == "accepted":
        return trust if trust.is_good and not trust.unheard else _accepted(trust)
    if verdict == "left":
        return trust._replace(unheard=trust.unheard + 1)
    if verdict == "forbidden" and not trust.is_accepted:
        trust = trust._replace(forbidden=trust.forbidden | {subject}) if not trust.refusals else trust
        verdict = "refused" if trust.refusals or len(trust.forbidden) >= FORBIDDEN_NEW else verdict
    if verdict == "refused" and go.epoch == trust.epoch:
        return _refused(trust, subject, now)
    return trust


def may_try_again(trust: Trust, go: Go, subject: str = "") -> bool:
    """Whether a request that was just answered 401 may ask for its second try."""
    return trust.is_accepted and not go.is_second and not trust.rests(subject)


def _alone(trust: Trust, now: float, number: int, *, is_second: bool) -> tuple[Trust, Go]:
    is_awaited = trust.refusals > 0 or trust.unheard >= UNHEARD
    go = Go(number, trust.epoch, is_lone=True, is_awaited=is_awaited, is_second=is_second)
    return trust._replace(lone=number, lone_since=now), go


def _accepted(trust: Trust) -> Trust:
    """Start a new epoch: later answers to requests that are still under way do not count."""
    return Trust(is_accepted=True, lone=trust.lone, lone_since=trust.lone_since, epoch=trust.epoch + 1)


def _refused(trust: Trust, subject: str, now: float) -> Trust:
    is_same = trust.refusals == 0 or subject == trust.subject
    trust = trust._replace(
        refusals=trust.refusals + 1,
        subject=subject if is_same else "",
        refused_at=now,
        unheard=0,
        forbidden=frozenset(),
        epoch=trust.epoch + 1,
    )
    return trust._replace(try_at=now + _pause(trust))


def _pause(trust: Trust) -> float:
    """Seconds from the last refusal to the next try."""
    rests: Sequence[float] = RESTS_ACCEPTED if trust.is_accepted else RESTS_NEW
    at_once = 1
    if trust.is_accepted:
        at_once = REFUSALS_ACCEPTED - 1 if trust.subject else REFUSALS_ACCEPTED
    return rests[min(max(trust.refusals - at_once, 0), len(rests) - 1)]

"""What a registry's 401 says of a credential, and when it may be tried again. Pure: no clock, no task.

One `Trust` for each version of the grant and each action, install or upload. A request asks `ask`, and `end`
is told how it was answered; each gives the next state. DESIGN.md §5, "A registry's 401".

State   | what it means                      | a request may                        | 401      | accepted
------- | ---------------------------------- | ------------------------------------ | -------- | --------
fresh   | nobody was answered yet            | go alone; the others wait for its    | resting  | good
        |                                    | answer, 2 s at most                  |          |
good    | the last answer was no 401         | go                                   | doubted  | good
unheard | 3 clients in a row left before     | go alone; one more every 2 s where   | doubted  | good
        | their answer                       | the answer is slow                   |          |
doubted | accepted before, 401 once or twice | the same, once those under way are   | doubted, | good
        | in a row                           | answered, or after 2 s               | resting  |
resting | accepted before, 401 three times;  | go alone at `try_at`; until then and | resting, | good
        | or never accepted, 401 once        | meanwhile it is refused at once      | longer   |

Accepted means any answer of the registry itself but 401 and 403. A 403 may be about one package, and what
only a gateway says (429, 5xx) about nothing: they change no state.

Of requests that were under way together only the first 401 counts: each remembers the state's `epoch` when it
went, and the epoch is another one as soon as a 401 counted. Fifty refused at once are one refusal, not fifty.

Refusals that are all about one subject, a package, rest that subject alone, after the second: a registry that
answers 401 for one package costs nobody another one. The third, about another subject, rests the version.

How many tries are refused at most, with no success in between and beyond those under way together: 3 at once,
then after 10, 40, 100, 220 and 520 s (`RESTS_ACCEPTED`): 8 in 15 minutes; for one subject alone 7. Never
accepted: 1 at once, then after 30, 150 and 450 s (`RESTS_NEW`): 4. Clients that leave hide `UNHEARD` more.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

RESTS_ACCEPTED = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds until the next try of a credential that was accepted before; the last repeats"""
RESTS_NEW = (30.0, 120.0, 300.0, 600.0)
"""The same where it never was: then it is most likely wrong"""
REFUSALS_ACCEPTED = 3
"""In a row: then it is no longer about one request, or a moment"""
AHEAD_SECONDS = 2.0
"""Longest wait for the answer of a request that goes ahead: a registry that warms a session up takes less"""
UNHEARD = 3
"""Clients in a row that left before their answer, perhaps a 401; arbitrary, few for any account"""

Answer = Literal["accepted", "refused", "unjudged", "left"]
"""`unjudged`: a 403, a gateway's error, or none, for the registry failed; `left`: the client did not wait"""


class Trust(NamedTuple):
    """What is known of one version for one action. The default is `fresh`."""

    is_accepted: bool = False
    refusals: int = 0
    """In a row, those that count"""
    subject: str = ""
    """What all of them were about; empty: more than one thing, or nobody knows"""
    try_at: float = 0.0
    """The next try, while it rests"""
    lone: int = 0
    """Number of the request that went alone and has no answer yet; 0: none"""
    lone_since: float = 0.0
    refused_at: float = 0.0
    """When the last refusal came that counts"""
    unheard: int = 0
    """Clients in a row that left before their answer"""
    epoch: int = 0

    @property
    def is_good(self) -> bool:
        """Whether every request may go, as nearly always."""
        return self.is_accepted and not self.refusals and self.unheard < UNHEARD

    def rests(self, subject: str) -> bool:
        """Whether a request about this subject has to wait for `try_at`."""
        if not self.is_accepted:
            return self.refusals > 0
        if self.subject:
            return self.refusals >= REFUSALS_ACCEPTED - 1 and subject == self.subject
        return self.refusals >= REFUSALS_ACCEPTED


class Go(NamedTuple):
    """The request may go; `end` wants this back."""

    number: int
    epoch: int
    is_lone: bool
    """It goes alone"""
    is_awaited: bool
    """Its answer is waited for whether or not its client does: what it says of the credential is needed"""
    is_second: bool
    """It was answered 401 once already"""


GOOD = Go(0, 0, is_lone=False, is_awaited=False, is_second=False)
"""Of a request that goes beside others, but for its number and epoch"""


class Wait(NamedTuple):
    """Ask again when something has changed, or at this time."""

    until: float


class Rest(NamedTuple):
    """Refused at once. The next try is at this time, or, where one is under way, when that has ended."""

    until: float


def ask(
    trust: Trust, now: float, number: int, subject: str = "", *, others: int = 0, is_second: bool = False
) -> tuple[Trust, Go | Wait | Rest]:
    """What a request may do. `number` is its own, from 1. `others`: those that have no answer yet.

    A second try goes alone in any state: only new requests go beside it, where the state is good.
    """
    if trust.is_good and not is_second:
        return trust, GOOD._replace(number=number, epoch=trust.epoch)
    if trust.rests(subject):
        if trust.lone or now < trust.try_at:
            return trust, Rest(max(now, trust.try_at))
        # whatever becomes of this try, the next is not before the same pause is over again
        return _alone(trust._replace(try_at=now + _pause(trust)), now, number, is_second=is_second)
    if trust.refusals and others and now < trust.refused_at + AHEAD_SECONDS:
        return trust, Wait(trust.refused_at + AHEAD_SECONDS)
    until = trust.lone_since + AHEAD_SECONDS
    if not trust.lone or (now >= until and (trust.is_accepted or is_second)):
        return _alone(trust, now, number, is_second=is_second)
    if now >= until:  # fresh, and the first one's answer is slow
        return trust, GOOD._replace(number=number, epoch=trust.epoch)
    return trust, Wait(until)


def end(trust: Trust, gone: Go, answer: Answer, now: float, subject: str = "") -> Trust:
    """What the answer to a request about `subject` changes."""
    if trust.lone and trust.lone == gone.number:
        trust = trust._replace(lone=0)
    if answer == "accepted":
        return trust if trust.is_good and not trust.unheard else _accepted(trust)
    if answer == "left":
        return trust._replace(unheard=trust.unheard + 1)
    if answer == "refused" and gone.epoch == trust.epoch:
        return _refused(trust, subject, now)
    return trust


def may_try_again(trust: Trust, gone: Go, subject: str = "") -> bool:
    """Whether a request that was just answered 401 may ask for its second try."""
    return trust.is_accepted and not gone.is_second and not trust.rests(subject)


def _alone(trust: Trust, now: float, number: int, *, is_second: bool) -> tuple[Trust, Go]:
    is_awaited = trust.refusals > 0 or trust.unheard >= UNHEARD
    go = Go(number, trust.epoch, is_lone=True, is_awaited=is_awaited, is_second=is_second)
    return trust._replace(lone=number, lone_since=now), go


def _accepted(trust: Trust) -> Trust:
    """Those still under way when this is known went before it: what they are answered counts no more."""
    return Trust(is_accepted=True, lone=trust.lone, lone_since=trust.lone_since, epoch=trust.epoch + 1)


def _refused(trust: Trust, subject: str, now: float) -> Trust:
    is_same = trust.refusals == 0 or subject == trust.subject
    trust = trust._replace(
        refusals=trust.refusals + 1,
        subject=subject if is_same else "",
        refused_at=now,
        unheard=0,
        epoch=trust.epoch + 1,
    )
    return trust._replace(try_at=now + _pause(trust))


def _pause(trust: Trust) -> float:
    """Seconds after the refusal that was the last."""
    rests: Sequence[float] = RESTS_ACCEPTED if trust.is_accepted else RESTS_NEW
    at_once = 1
    if trust.is_accepted:
        at_once = REFUSALS_ACCEPTED - 1 if trust.subject else REFUSALS_ACCEPTED
    return rests[min(max(trust.refusals - at_once, 0), len(rests) - 1)]

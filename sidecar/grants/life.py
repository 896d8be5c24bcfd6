"""The life of a connector's grant, and when the broker is asked for a newer grant. Pure: no clock, no task.

`next_step` decides for a request that needs a grant, and `next_renewal` for a request whose grant the
registry did not accept. `asked`, `fetched`, `failed` and `unasked` return the state after an event. A
decision is the grant to use, the error to raise, `Ask`, `Wait`, or None: there is no newer grant.

State    | meaning                              | a request                               | a renewal
-------- | ------------------------------------ | --------------------------------------- | ---------
empty    | no grant: none was fetched yet, or   | asks                                    | asks
         | its hard life is over                |                                         |
asking   | empty, and a question is under way   | waits, 20 s at most                     | waits
young    | the soft life is not over            | uses the grant                          | asks
old      | the hard life is not over            | asks, and uses the grant if the answer  | asks
         |                                      | takes longer than 1 s                   |
young or | a question is under way              | uses the grant                          | waits
old, and |                                      |                                         |
asking   |                                      |                                         |
away     | the broker did not answer, and is    | uses an old grant; without a grant it   | fails
         | not asked again before `retry_at`    | waits, 6 s at most, and then fails      |
refused  | the broker said no, which ended the  | fails                                   | fails
         | grant; not asked before `retry_at`   |                                         |

Unless a question is under way, a renewal of another version than the present one uses the present one. A
renewal gets no newer grant within the pause after a question about the same version (`RENEW_SECONDS`).

Event                                   | next state
--------------------------------------- | ------------------------------------------------------------------
a question begins (`asked`)             | asking; old, and asking; young, and asking
the broker gives a grant (`fetched`)    | young, also if it is the same version
the broker says no (`failed`)           | refused
the broker does not answer (`failed`)   | away, with a longer pause each time; a young grant is still used
there is no thread to ask (`unasked`)   | the state before; the pauses of renewals start anew

Example: a grant with 300 s of soft and 3600 s of hard life arrives at second 0, and the broker goes away. The
request at second 301 asks, gets no answer, and uses the grant. So do all others. The broker is asked again
after 0.5, 1, 2, and then every 5 s. At second 3600 the grant ends. From then on a request waits for 6 s.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from sidecar.contract.grant import Grant
from sidecar.contract.words import Code
from sidecar.errors import BrokerError, BrokerRefused, BrokerUnreachable
from sidecar.grants.trust import Wait

WAIT_SECONDS = 20.0
"""A request waits this long for the first grant: below the 30 s after which pip gives up on silence"""
PATIENCE_SECONDS = 6.0
"""A request waits this long for a broker that cannot be reached. Most brokers are back by then, and a client
without our pip.conf gives up on silence after 15 s"""
REFUSED_SECONDS = 5.0
"""A refusal stands this long before the broker is asked again: a mended RoleBinding helps the next try"""
BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""Pauses between questions while the broker cannot be reached; the last repeats"""
RENEW_SECONDS = (2.0, 3.0, 5.0, 8.0)
"""Pauses between questions for a newer version than the refused version, while clients ask; the last repeats.
A corrected Secret serves within 10 s. A thousand Pods whose account is locked ask 125 questions a second, if
all their clients go on asking"""
UNREACHABLE_SECONDS = (15.0,)
"""The pauses while the registry cannot be reached: a failed registry is likelier than a corrected address"""

Topic = tuple[str, bool]
"""The subject of a renewal: the version that did not serve, and whether its registry could be reached"""


class Life(NamedTuple):
    """The state. The default is `empty`."""

    grant: Grant | None = None
    since: float = 0.0
    """Time when the broker gave the grant"""
    asked_at: float | None = None
    """Time when the question under way began; None: there is none"""
    failure: BrokerRefused | BrokerUnreachable | None = None
    """How the last question failed; None after an answer"""
    failures: int = 0
    """Questions in a row without an answer"""
    retry_at: float = 0.0
    """Time until which `failure` stands for the answer"""
    paces: Mapping[Topic, tuple[int, float]] = MappingProxyType({})
    """Number of renewals that were asked, and time of the next. Only for the present version, and for earlier
    ones whose requests still run"""


class Ask(NamedTuple):
    """Ask the broker."""

    usable: Grant | None
    """The grant to use if the broker does not answer soon"""


def young_grant(life: Life, now: float) -> Grant | None:
    """The grant of the usual case, in which nothing has to be decided; else None."""
    grant = life.grant
    return None if grant is None or now - life.since >= grant.soft_seconds else grant


def next_step(life: Life, now: float, came: float) -> Grant | Ask | Wait | BrokerError:
    """Decide for a request that came at the time `came`. A Wait ends early when an answer arrives."""
    grant = young_grant(life, now)
    if grant is not None:
        return grant
    usable = life.grant
    if usable is not None and now - life.since >= usable.hard_seconds:
        usable = None
    if life.failure is not None and now < life.retry_at:
        return usable or _failure(life.failure, life.retry_at, now, came)
    if life.asked_at is None:
        return Ask(usable)
    if usable is not None:
        return usable
    until = max(came, life.asked_at) + WAIT_SECONDS
    return Wait(until) if now < until else BrokerUnreachable("the broker has not answered yet")


def next_renewal(life: Life, now: float, refused: str, cause: str) -> Grant | Ask | Wait | BrokerError | None:
    """Decide for a request with the version `refused`. `cause`: a member of `contract.words.CAUSES`.

    Of many requests that are refused at once, the first asks the broker.
    """
    if life.asked_at is not None:
        return Wait(float("inf"))
    if life.grant is not None and life.grant.version != refused:
        return life.grant
    _, ask_at = life.paces.get(_topic(refused, cause), (0, 0.0))
    if now < ask_at:
        return None
    if life.failure is not None and now < life.retry_at:
        return life.failure
    return Ask(None)


def asked(life: Life, now: float, refused: str | None = None, cause: str | None = None) -> Life:
    """A question began. With `refused`: it is a renewal."""
    life = life._replace(asked_at=now)
    if refused is None or cause is None:
        return life
    topic = _topic(refused, cause)
    count, _ = life.paces.get(topic, (0, 0.0))
    pauses = UNREACHABLE_SECONDS if cause == Code.REGISTRY_UNREACHABLE else RENEW_SECONDS
    pace = count + 1, now + pauses[min(count, len(pauses) - 1)]
    return life._replace(paces={**life.paces, topic: pace})


def fetched(life: Life, now: float, grant: Grant) -> Life:
    """The broker gave a grant."""
    is_other = life.grant is not None and life.grant.version != grant.version
    return Life(grant, now, paces={} if is_other else life.paces)


def failed(life: Life, now: float, failure: BrokerRefused | BrokerUnreachable) -> Life:
    """The question ended without a grant."""
    life = life._replace(asked_at=None, failure=failure)
    if isinstance(failure, BrokerRefused):
        return life._replace(grant=None, retry_at=now + REFUSED_SECONDS)
    pause = BACK_OFF_SECONDS[min(life.failures, len(BACK_OFF_SECONDS) - 1)]
    return life._replace(failures=life.failures + 1, retry_at=now + pause)


def unasked(life: Life, refused: str | None, cause: str | None) -> Life:
    """The question was not put, or nobody answered it: it does not count for the pace of renewals."""
    topic = _topic(refused or "", cause or "")
    paces = {key: pace for key, pace in life.paces.items() if key != topic}
    return life._replace(asked_at=None, paces=paces)


def _failure(failure: BrokerError, retry_at: float, now: float, came: float) -> Wait | BrokerError:
    """A broker that is away may be rolled: a request without a grant waits for it."""
    patient_until = came + PATIENCE_SECONDS
    if isinstance(failure, BrokerRefused) or now >= patient_until:
        return failure
    return Wait(min(retry_at, patient_until))


def _topic(refused: str, cause: str) -> Topic:
    return refused, cause != Code.REGISTRY_UNREACHABLE

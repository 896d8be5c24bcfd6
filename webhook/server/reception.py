"""Checks before a TokenReview: failures of the address, claims of the token, a turn among other callers.

The log has counts of the requests that are turned away here: a line for each would fill it.
"""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from sidecar.contract.secret import Secret
from sidecar.contract.words import TOKEN_AUDIENCE
from webhook.errors import Refusal
from webhook.grant import claims
from webhook.grant.reasons import BrokerReason
from webhook.grant.rules import unbound
from webhook.limits.callers import Callers
from webhook.limits.slots import Slots
from webhook.limits.tally import Tally

logger = logging.getLogger(__name__)

SLOTS_LIMIT = 40
"""Grants under way; further requests wait, within the deadline. Each grant holds one of the 64 connections to
the API server. The Lease and the certificates of this process always need connections, too."""

SLOTS_PER_PEER_LIMIT = 8
"""A Pod asks for a grant per connector. All Pods of a node may share an address. The limit still allows 400
grants a second, at 20 ms each: more than a broker has time for."""

_TURNED_AWAY = (BrokerReason.TOO_MANY_FAILED_TOKENS, BrokerReason.TOO_MANY_REFUSALS)

_FAILED = "too many requests from this address came to no accepted token: the sidecar asks again by itself"
_REFUSED = (
    "too many requests of this Pod were refused, and its Events say why: the sidecar asks again by itself"
)


class Reception:
    """The reception of one broker."""

    def __init__(self) -> None:
        self._callers = Callers()
        self._slots = Slots(SLOTS_LIMIT, SLOTS_PER_PEER_LIMIT)
        self._strangers = Tally(logger, "requests turned away")
        self._pods = Tally(logger, "requests of refused Pods turned away")

    @contextlib.contextmanager
    def arrival(self, peer: str) -> Iterator[None]:
        """Read the request within this context. A refusal counts against the address, not the token."""
        try:
            yield
        except Refusal as error:
            now = time.monotonic()
            self._callers.failed(peer, now)
            self._strangers.count_and_report(error.reason, peer, now)
            raise

    @contextlib.asynccontextmanager
    async def turn(self, peer: str, token: Secret) -> AsyncIterator["Turn"]:
        """Wait for a turn, or raise `Refusal`. Review the token within the context, and `accept` its Pod."""
        text = token.reveal()
        account, uid = claims.pod(text)
        turn = Turn(peer, text, f"{account} {uid}", uid)
        is_granted = False
        self._check_limits(turn)
        try:
            _check_claims(token)
            async with self._slots.slot(peer):
                self._check_limits(turn)  # requests of this peer or Pod may have failed meanwhile
                turn.has_begun = True
                yield turn
                is_granted = True
        except Refusal as error:
            if turn.accepted_uid is None:
                self._note(error, turn)
            raise
        finally:
            if turn.accepted_uid is not None:
                self._settle(turn, turn.accepted_uid, is_granted=is_granted)

    def _check_limits(self, turn: "Turn") -> None:
        """After 429 a sidecar asks again; any other 4xx would end its grant."""
        now = time.monotonic()
        if not self._callers.may_ask(turn.peer, turn.token, turn.claimed_pod, now):
            self._strangers.count_and_report(BrokerReason.TOO_MANY_FAILED_TOKENS, turn.peer, now)
            raise Refusal(BrokerReason.TOO_MANY_FAILED_TOKENS, _FAILED)
        if turn.claimed_uid and not self._callers.may_be_refused(turn.claimed_uid, now):
            self._pods.count_and_report(BrokerReason.TOO_MANY_REFUSALS, turn.claimed_uid, now)
            raise Refusal(BrokerReason.TOO_MANY_REFUSALS, _REFUSED)

    def _note(self, error: Refusal, turn: "Turn") -> None:
        """Count the refusal of a token that the API server did not accept, against its address."""
        if error.reason in _TURNED_AWAY:
            return
        now = time.monotonic()
        self._callers.not_accepted(turn.peer, turn.token, turn.claimed_pod, now)
        if not turn.has_begun:  # without a review, so without a line in the audit log
            self._strangers.count_and_report(error.reason, turn.peer, now)

    def _settle(self, turn: "Turn", uid: str, *, is_granted: bool) -> None:
        """Count a request of a verified Pod. Without a grant it counts as refused, whatever the cause: a Pod
        of megabytes, which takes too long to read, costs as much as a refused Pod."""
        now = time.monotonic()
        self._callers.accepted(turn.peer, turn.token, turn.claimed_pod, now)
        if not is_granted:
            self._callers.refused(uid, now)


@dataclass(slots=True)
class Turn:
    """A caller: its address, the claims of its token, and the Pod that the API server verified."""

    peer: str
    token: str = field(repr=False)
    claimed_pod: str
    """ServiceAccount and uid (`claims.pod`)"""
    claimed_uid: str
    has_begun: bool = False
    accepted_uid: str | None = None
    """The Pod's uid, once the API server has accepted the token"""

    def accept(self, pod_uid: str) -> None:
        self.accepted_uid = pod_uid


def _check_claims(token: Secret) -> None:
    text = token.reveal()
    if doubt := claims.doubt(text, TOKEN_AUDIENCE, time.time()):
        sentence = f"the API server does not accept the token: {doubt}"
        raise Refusal(BrokerReason.TOKEN_NOT_AUTHENTICATED, sentence)
    if not claims.is_bound_to_pod(text):
        raise unbound()

"""Checks before the review of a client's token, which a gateway forwards: claims, failures, a fair turn.

A gateway is one address that asks for many clients. So nothing here counts against that address: failed
tokens have an allowance for all gateways together, refusals count against the client's ServiceAccount, and
turns are shared out by namespace.
"""

import contextlib
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sidecar.contract.secret import Secret
from sidecar.contract.words import GATEWAY_AUDIENCE
from webhook.errors import Refusal
from webhook.grant import claims, gateway_rules
from webhook.grant.reasons import BrokerReason
from webhook.limits.callers import Callers
from webhook.limits.fair_slots import FairSlots
from webhook.limits.tally import Tally

logger = logging.getLogger(__name__)

SLOTS_LIMIT = 16
"""Clients under review. With the 40 turns of the reception, 8 of the 64 connections to the API server are
left. At 20 ms a turn, this allows 800 grants a second."""

FAILURES_LIMIT = 200.0
"""The full allowance of tokens that the API server refuses, of all clients of all gateways"""

FAILURES_PER_SECOND = 20.0
"""The refill, and so the TokenReviews that made-up tokens cost: an API server answers thousands."""

FAILED_SECONDS = 10.0
"""For this time a failed token is refused without a review. An API server remembers a review as long."""

FAILED_LIMIT = 4096
"""Failed tokens remembered, about 400 bytes each"""

_ALL = "gateways"
_FAILED = "too many tokens of the gateway's clients came to nothing: try again in some seconds"
_REFUSED = "too many requests of this ServiceAccount were refused: try again in some seconds"


class ClientReception:
    """The reception of the clients of all gateways, at one broker."""

    def __init__(self) -> None:
        self._callers = Callers(failures_limit=FAILURES_LIMIT, failures_per_second=FAILURES_PER_SECOND)
        self._slots = FairSlots(SLOTS_LIMIT)
        self._failed: OrderedDict[bytes, tuple[float, tuple[str, str]]] = OrderedDict()
        """Digest of a token → the end of this memory, reason and sentence (an error would hold its frames)"""
        self._key = secrets.token_bytes(32)
        self._tally = Tally(logger, "clients of the gateway turned away")

    @contextlib.asynccontextmanager
    async def turn(self, token: Secret) -> AsyncIterator["ClientTurn"]:
        """Wait for a turn, or raise `Refusal`. Review the token within the context, and `accept` its
        ServiceAccount."""
        turn = self._begin(token.reveal())
        is_granted = False
        async with self._slots.hold(turn.claimed_namespace):
            self._check_limits(turn)  # others may have failed meanwhile, even with this very token
            try:
                yield turn
                is_granted = True
            except Refusal as error:
                if turn.accepted_user is None:
                    self._not_accepted(turn, error)
                raise
            finally:
                if turn.accepted_user is not None:
                    self._settle(turn, turn.accepted_user, is_granted=is_granted)

    def _begin(self, text: str) -> "ClientTurn":
        """Refuse a token that the API server could never accept. This costs no review, and counts nothing."""
        if doubt := claims.doubt(text, GATEWAY_AUDIENCE, time.time()):
            self._tally.count_and_report("claims", None, time.monotonic())
            raise gateway_rules.not_accepted(doubt)
        user, namespace = claims.subject(text)
        turn = ClientTurn(text, self._digest(text), user, namespace)
        self._check_limits(turn)
        return turn

    def _check_limits(self, turn: "ClientTurn") -> None:
        now = time.monotonic()
        if refusal := self._obstacle(turn, now):
            self._tally.count_and_report(refusal.reason, turn.claimed_namespace, now)
            raise refusal

    def _obstacle(self, turn: "ClientTurn", now: float) -> Refusal | None:
        ends_at, past = self._failed.get(turn.digest, (0.0, None))
        if past is not None and now < ends_at:
            return Refusal(*past)
        if not self._callers.may_ask(_ALL, turn.token, turn.claimed_user, now):
            return Refusal(BrokerReason.TOO_MANY_FAILED_TOKENS, _FAILED)
        if not self._callers.may_be_refused(turn.claimed_user, now):
            return Refusal(BrokerReason.TOO_MANY_REFUSALS, _REFUSED)
        return None

    def _not_accepted(self, turn: "ClientTurn", error: Refusal) -> None:
        now = time.monotonic()
        self._callers.not_accepted(_ALL, turn.token, turn.claimed_user, now)
        self._failed[turn.digest] = now + FAILED_SECONDS, (error.reason, error.message)
        self._failed.move_to_end(turn.digest)
        if len(self._failed) > FAILED_LIMIT:
            self._failed.popitem(last=False)

    def _settle(self, turn: "ClientTurn", user: str, *, is_granted: bool) -> None:
        """As in `reception`: without a grant a request counts as refused, whatever the cause."""
        now = time.monotonic()
        self._callers.accepted(_ALL, turn.token, turn.claimed_user, now)
        if not is_granted:
            self._callers.refused(user, now)

    def _digest(self, text: str) -> bytes:
        encoded = text.encode(errors="surrogatepass")
        return hashlib.blake2b(encoded, key=self._key, digest_size=16).digest()


@dataclass(slots=True)
class ClientTurn:
    """A client: the claims of its token, and the user name that the API server verified."""

    token: str = field(repr=False)
    digest: bytes
    claimed_user: str
    claimed_namespace: str
    accepted_user: str | None = None

    def accept(self, user: str) -> None:
        self.accepted_user = user

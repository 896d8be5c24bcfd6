"""Checks before a TokenReview: failures of the address, claims of the token, a turn among other callers."""

import contextlib
import logging
import time
from collections.abc import AsyncIterator

from sidecar.contract import TOKEN_AUDIENCE, Secret
from webhook import claims
from webhook.callers import Callers
from webhook.errors import Refusal
from webhook.grant_rules import unbound
from webhook.granting import Trail
from webhook.slots import Slots
from webhook.tally import Tally

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 40
"""Grants under way; others wait, within the deadline. Each holds one of the 64 connections to the API server.
The Lease and the certificates of this process need connections too, whatever tokens arrive."""

MOST_AT_ONCE_PER_PEER = 8
"""A Pod asks for one grant per connector. Where all Pods of a node share an address, that is still 400 a
second, at 20 ms each: more than a broker has time for."""

TOO_MANY = "TooManyFailedTokens"


class Reception:
    """The reception of one broker."""

    def __init__(self) -> None:
        self._callers = Callers()
        self._slots = Slots(MOST_AT_ONCE, MOST_AT_ONCE_PER_PEER)
        self._tally = Tally(logger, "tokens turned away")

    @contextlib.asynccontextmanager
    async def turn(self, peer: str, token: Secret, trail: Trail) -> AsyncIterator[None]:
        """Wait for a turn, or raise `Refusal`. Within the context, review the token and fill in `trail`."""
        self._check_failures(peer, token)
        try:
            _check_claims(token)
            async with self._slots.slot(peer):
                self._check_failures(peer, token)  # other tokens of this peer may have failed meanwhile
                yield
        except Refusal as error:
            if trail.pod is None and error.reason != TOO_MANY:
                self._callers.failed(peer, token.reveal(), time.monotonic())
            raise
        finally:
            if trail.pod is not None:
                self._callers.accepted(token.reveal())

    def _check_failures(self, peer: str, token: Secret) -> None:
        now = time.monotonic()
        if self._callers.may_ask(peer, token.reveal(), now):
            return
        self._tally.count_and_report("too many of this address have failed", peer, now)
        # after 429 a sidecar asks again; any other 4xx would end its grant
        sentence = "too many tokens from this address were not accepted: the sidecar asks again by itself"
        raise Refusal(TOO_MANY, sentence, status=429)


def _check_claims(token: Secret) -> None:
    text = token.reveal()
    if doubt := claims.doubt(text, TOKEN_AUDIENCE, time.time()):
        sentence = f"the API server does not accept the token: {doubt}"
        raise Refusal("TokenNotAuthenticated", sentence, status=401)
    if not claims.is_bound_to_pod(text):
        raise unbound()

"""Counts of strangers' requests, logged once a minute: a line for each would let them fill the log."""

import logging
from collections import Counter

PERIOD_SECONDS = 60.0

CAUSES_LIMIT = 20
"""Different causes in a line. Some quote input of strangers, so their number needs a limit"""

PEERS_LIMIT = 1000
"""Addresses counted in a minute, about 100 KB. Arbitrary"""


class Tally:
    """One log line with causes, their counts, and the address with the highest count."""

    def __init__(self, logger: logging.Logger, message: str) -> None:
        self._logger = logger
        self._message = message
        self._causes: Counter[str] = Counter()
        self._peers: Counter[str] = Counter()
        self._reported: float | None = None

    def count(self, cause: str, peer: str | None = None) -> None:
        known = cause in self._causes or len(self._causes) < CAUSES_LIMIT
        self._causes[cause if known else "others"] += 1
        if peer is not None and (peer in self._peers or len(self._peers) < PEERS_LIMIT):
            self._peers[peer] += 1

    def count_and_report(self, cause: str, peer: str | None, now: float) -> None:
        """Count, and report if it is time. For callers without a timer of their own."""
        self.count(cause, peer)
        self.report(now)

    def report(self, now: float) -> None:
        """The first report is immediate, later reports follow at most once a minute. No counts, no report."""
        if not self._causes or (self._reported is not None and now - self._reported < PERIOD_SECONDS):
            return
        extra = {"counts": dict(self._causes), "peers": len(self._peers), "most": self._peers.most_common(1)}
        self._logger.warning(self._message, extra=extra)
        self._reported = now
        self._causes.clear()
        self._peers.clear()

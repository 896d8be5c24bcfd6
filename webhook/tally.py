"""Counts of what strangers do, told once a minute: a line for each would be an attack of its own."""

import logging
from collections import Counter

PERIOD_SECONDS = 60.0

MOST_CAUSES = 20
"""Different ones in a line: some hold a stranger's words"""


class Tally:
    """Says how often, why, and which address most often."""

    def __init__(self, logger: logging.Logger, message: str) -> None:
        self._logger = logger
        self._message = message
        self._causes: Counter[str] = Counter()
        self._peers: Counter[str] = Counter()
        self._told: float | None = None

    def count(self, cause: str, peer: str | None = None) -> None:
        known = cause in self._causes or len(self._causes) < MOST_CAUSES
        self._causes[cause if known else "others"] += 1
        if peer is not None and (peer in self._peers or len(self._peers) < 1000):
            self._peers[peer] += 1

    def tell(self, cause: str, peer: str | None, now: float) -> None:
        """Count, and report if it is time: for whoever has no period of its own."""
        self.count(cause, peer)
        self.report(now)

    def report(self, now: float) -> None:
        """The first time at once, then at most once a minute; nothing if there is nothing to tell."""
        if not self._causes or (self._told is not None and now - self._told < PERIOD_SECONDS):
            return
        extra = {"counts": dict(self._causes), "peers": len(self._peers), "most": self._peers.most_common(1)}
        self._logger.warning(self._message, extra=extra)
        self._told = now
        self._causes.clear()
        self._peers.clear()

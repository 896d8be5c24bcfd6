"""A small memory of the files that pages of the index have listed, for what no other rule lets pass. Pure.

It holds files outside the Connector's address, and files whose path or name is odd. Nothing else is
remembered: most registries fill it with nothing.
"""

from sidecar.rules.targets import canonical

LIMIT = 16_384
"""Files. About 1.5 MB if all are taken; a file that was dropped costs a second look at its project's page"""


class ListedFiles:
    """Remembers hashes of paths, the newest `LIMIT` of them.

    Python's own hash has 64 bits and a secret key (SipHash, `-I` lets nobody choose the key), so no author of
    a page can make another path pass by a collision.
    """

    __slots__ = ("_hashes",)

    def __init__(self) -> None:
        self._hashes: dict[int, None] = {}

    def add(self, index_url: str, target: str) -> None:
        """`target`: path and query as a client asks for them. Pages of another index do not count."""
        self._hashes[_hash(index_url, target)] = None
        if len(self._hashes) > LIMIT:
            del self._hashes[next(iter(self._hashes))]

    def holds(self, index_url: str, target: str) -> bool:
        return bool(self._hashes) and _hash(index_url, target) in self._hashes


def _hash(index_url: str, target: str) -> int:
    return hash(f"{index_url} {canonical(target)}")

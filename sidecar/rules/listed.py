"""A small memory of the files that pages of the index have listed, for what no other rule lets pass. Pure.

It holds files outside the Connector's address, and files whose path or name is odd. Nothing else is
remembered: most registries fill it with nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

LIMIT = 32_768
"""Files of a generation. Two generations take up to 5 MB; a lost file costs a second look at its page"""


class ListedFiles:
    """Remembers hashes of paths: at least the newest `LIMIT` of them, at most twice as many.

    Python's own hash has 64 bits and a secret key (SipHash, `-I` lets nobody choose the key), so no author of
    a page can make another path pass by a collision.
    """

    __slots__ = ("_listed_meanwhile", "_older", "_wanted", "_young", "generation")

    def __init__(self) -> None:
        self._young: set[int] = set()
        self._older: set[int] = set()
        self._wanted: dict[int, int] = {}
        """Files that requests wait for → the number of those requests"""
        self._listed_meanwhile: set[int] = set()
        """The wanted files that a page has listed: nothing forgets them while they are wanted"""
        self.generation = 0
        """Counts how often files were forgotten"""

    def add(self, index_url: str, target: str) -> None:
        """`target`: path and query as a client asks for them. Pages of another index do not count."""
        from sidecar.rules.odd_targets import spellings

        for spelling in spellings(target):
            key = hash(f"{index_url} {spelling}")
            self._young.add(key)
            if key in self._wanted:
                self._listed_meanwhile.add(key)
        if len(self._young) >= LIMIT:
            self._young, self._older = set(), self._young
            self.generation += 1

    def holds(self, index_url: str, target: str) -> bool:
        if not self._young and not self._older:  # nearly always
            return False
        key = _key(index_url, target)
        return key in self._young or key in self._older or key in self._listed_meanwhile

    def __len__(self) -> int:
        return len(self._young) + len(self._older)

    def clear(self) -> None:
        """Forget all but the files that requests wait for: a lost file costs a second look at its page."""
        self._young, self._older = set(), set()
        self.generation += 1

    @contextmanager
    def wanting(self, index_url: str, targets: Iterable[str]) -> Iterator[None]:
        """Keep these files from the moment that a page lists them: many pages may be read at once."""
        keys = {_key(index_url, target) for target in targets}
        for key in keys:
            self._wanted[key] = self._wanted.get(key, 0) + 1
        try:
            yield
        finally:
            for key in keys:
                self._wanted[key] -= 1
                if not self._wanted[key]:
                    del self._wanted[key]
                    self._listed_meanwhile.discard(key)


def _key(index_url: str, target: str) -> int:
    from sidecar.rules.odd_targets import canonical

    return hash(f"{index_url} {canonical(target)}")

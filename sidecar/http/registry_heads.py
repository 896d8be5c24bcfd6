"""A registry's head: read strictly, as nearly all are, or leniently. Pure."""

import contextlib
from typing import TYPE_CHECKING

from sidecar.http.http1 import ANSWER_HEAD_LIMIT, HeadReader, MalformedHead, ResponseHead, ResponseReader

if TYPE_CHECKING:
    from sidecar.http.lenient_heads import LenientReader

_VERSIONS = ("1.1", "1.0", "0.9")
"""Of answers"""


class RegistryReader(ResponseReader):
    """Reads a registry's head strictly; where that fails, leniently, from its first byte.

    The answer to an upload is read in any case, as soon as there is a status line: the registry has acted.
    """

    limit = ANSWER_HEAD_LIMIT
    is_odd = False
    """The strict reader refused it. No other response may follow on its connection"""
    _lenient: "LenientReader | None" = None
    _earlier: list[bytes] | None = None
    _latest = b""

    def feed(self, data: bytes) -> bytes | None:
        if self._lenient is not None:
            return self._feed_again(self._lenient, data)
        self._latest = data
        try:
            past = HeadReader.feed(self, data)  # `super()` takes longer, and this is in every request
        except MalformedHead:
            return self._read_again(self._seen())
        if past is None:
            self._earlier = self._earlier or []
            self._earlier.append(data)
            self._latest = b""
        return past

    def head(self) -> ResponseHead:
        if self._lenient is not None:
            return self._lenient.head()
        try:
            head = ResponseReader.head(self)
        except MalformedHead:
            head = None
        # llhttp takes `RTSP/1.0` and `ICE/1.0`, HTTP/2.0 and a status of 000, which pip and uv do not
        start = self._seen() if self._earlier else self._latest
        if head and head.status >= 100 and head.version in _VERSIONS and start.startswith(b"HTTP/"):
            return head
        self._read_again(self._seen()[: self.size])
        return self.head()

    def begun(self) -> ResponseHead | None:
        """What the status line tells of a head that has no readable end; None without a status line."""
        if self._lenient is None:
            with contextlib.suppress(MalformedHead):
                self._read_again(self._seen())
        return self._lenient.begun() if self._lenient is not None else None

    def _seen(self) -> bytes:
        return b"".join([*(self._earlier or ()), self._latest])

    def _read_again(self, data: bytes) -> bytes | None:
        from sidecar.http.lenient_heads import LenientReader  # few registries need it

        self.is_odd = True
        self._lenient = LenientReader(self._method)
        return self._feed_again(self._lenient, data)

    def _feed_again(self, lenient: "LenientReader", data: bytes) -> bytes | None:
        rest = lenient.feed(data)
        self.size = lenient.size
        return rest

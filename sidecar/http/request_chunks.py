"""A request's chunked body, decoded by llhttp. Pure."""

import httptools

from sidecar.http.http1 import HEAD_LIMIT, Collector, MalformedHead


class ChunkedReader:
    """Decodes a request's chunked body (RFC 9112 §7.1) with llhttp; its trailers are dropped."""

    is_odd = may_end = False
    """As of `AnswerChunks`, which reads a registry's body"""

    def __init__(self) -> None:
        self._collector = Collector()
        self._framing = 0
        self._parser = httptools.HttpRequestParser(self._collector)
        # without `close` llhttp would read what follows as a next message, whose body would join this one
        self._parser.feed_data(b"POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")

    @property
    def is_complete(self) -> bool:
        return self._collector.is_complete

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Take bytes as they came. Return the decoded pieces. Bytes after the end are malformed.

        Line ends are allowed there, for they mean nothing between messages (RFC 9112 §2.2). llhttp skips line
        ends that come with the end, so later ones are skipped too.
        """
        if self.is_complete:
            if bytes(data).strip(b"\r\n"):
                raise MalformedHead("bytes after the last chunk")
            return []
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise MalformedHead(str(error)) from None
        pieces, self._collector.bodies = self._collector.bodies, []
        # httptools gathers a trailer until it ends, ever more slowly; an extension without end moves nothing
        self._framing = 0 if pieces else self._framing + len(data)
        if self._framing > HEAD_LIMIT:
            raise MalformedHead(f"more than {HEAD_LIMIT} bytes between two pieces of a chunked body")
        return pieces

"""A registry's chunked body (RFC 9112 §7.1), decoded as leniently as pip and uv do. Pure.

llhttp, which decodes a request's chunks, refuses what both take: blanks behind a size, extensions of any
form. It does not tell where it stopped, so no lenient reader could go on in its place.

    size   →  "5   ;anything\\r\\n": data; "0\\r\\n": trailer
    data   →  as many bytes: end
    end    →  "\\r\\n", exactly: size
    trailer → an empty line: complete. All other lines are dropped; the end of the connection ends it, too
"""

import re

from sidecar.http.http1 import HEAD_LIMIT, MalformedHead

_USUAL = {
    "size": re.compile(rb"([0-9A-Fa-f]{1,15})\r\n"),
    "end": re.compile(rb"\r\n([0-9A-Fa-f]{1,15})\r\n"),  # and the size of the next chunk
    "trailer": re.compile(rb"(?!)"),
}
"""State → what nearly always comes next. One step instead of several: a chunk may be a single byte"""
_SIZE = re.compile(rb"[ \t]*+([0-9A-Fa-f]++)[ \t]*+(?:;[^\r]*+)?+")
_MOST_DIGITS = 15
"""Of a size, without leading zeros: less than 64 bits"""
_STRICT_SIZE = re.compile(rb"[0-9A-Fa-f]+(?:;[!-~]+)?\r")
_STRICT_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r]*\r")


class AnswerChunks:
    """Decodes one body."""

    def __init__(self) -> None:
        self.is_complete = False
        self.is_odd = False
        """RFC 9112 forbids it. No other response may follow on its connection"""
        self._state = "size"
        self._left = 0
        """Bytes of data that this chunk still has"""
        self._line = b""
        """The part of a line that has come"""
        self._framing = 0
        """Bytes since the last of data"""

    @property
    def may_end(self) -> bool:
        """Whether the last chunk has come, behind which are only trailers: the data is whole."""
        return self._state == "trailer"

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Take bytes as they came. Return the decoded pieces. Bytes after the end are dropped."""
        data = bytes(data)
        pieces: list[bytes] = []
        at, left = 0, self._left
        while at < len(data) and not self.is_complete:
            if left:
                piece = data[at : at + left]
                pieces.append(piece)
                at += len(piece)
                left -= len(piece)
                self._framing = 0
            elif not self._line and (usual := _USUAL[self._state].match(data, at)):
                left = int(usual[1], 16)
                at = usual.end()
                self._state = "end" if left else "trailer"
                if not left and data.startswith(b"\r\n", at):
                    at += 2
                    self.is_complete = True
            else:
                at = self._take_line(data, at)
                left = self._left
        self._left = left
        if data[at:].strip(b"\r\n"):
            self.is_odd = True
        return pieces

    def _take_line(self, data: bytes, at: int) -> int:
        """Take a line of framing, or the part of it that has come; return where it ends."""
        end = data.find(b"\n", at) + 1 or len(data)
        self._framing += end - at
        if self._framing > HEAD_LIMIT:
            raise MalformedHead(f"more than {HEAD_LIMIT} bytes between two pieces of a chunked body")
        self._left = 0
        self._line += data[at:end]
        if self._state == "end" and not b"\r\n".startswith(self._line):
            raise MalformedHead("no line end behind a chunk")
        if self._line.endswith(b"\n"):
            line, self._line = self._line[:-1], b""
            self._read(line)
        return end

    def _read(self, line: bytes) -> None:
        """`line` without its line feed."""
        if self._state == "end":
            self._state = "size"
            return
        text = line.removesuffix(b"\r")
        if self._state == "size":
            if text == line and b";" in line:  # some readers take a line feed for a part of the extension
                raise MalformedHead("a bare line feed behind the extension of a chunk")
            self._read_size(text)
            self.is_odd = self.is_odd or not _STRICT_SIZE.fullmatch(line)
        elif text:
            self.is_odd = self.is_odd or not _STRICT_TRAILER.fullmatch(line)
        else:
            self.is_complete = True
            self.is_odd = self.is_odd or text == line

    def _read_size(self, text: bytes) -> None:
        size = _SIZE.fullmatch(text)
        digits = size[1].lstrip(b"0") if size is not None else b""
        if size is None or len(digits) > _MOST_DIGITS:
            raise MalformedHead("the size of a chunk is not a number")
        self._left = int(digits or b"0", 16)
        self._state = "end" if self._left else "trailer"

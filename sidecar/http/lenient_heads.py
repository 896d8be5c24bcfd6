"""A registry's head that the strict reader refused, read as pip and uv read it. Pure.

The head is written anew from the parts that have one meaning, and the strict reader reads the result:

    HTTP/1.1  200 OK\\n                HTTP/1.1 200 OK\\r\\n
    Content-Length: 5, 5\\n            content-length: 5\\r\\n
    X-A : b\\n                    →    x-a: b\\r\\n
    a line without a colon\\n          \\r\\n
    \\n

The fields of framing must be plain lines that say one thing: two readings of them would be two bodies. Other
lines may be odd, and a line that gives no field is left out. Where pip or uv could miss the length, the head
says what may follow the body (`Behind`).
"""

import re

from sidecar.contract.codings import CODINGS
from sidecar.http.http1 import (
    ANSWER_HEAD_LIMIT,
    MOST_DIGITS,
    Behind,
    Headers,
    MalformedHead,
    ResponseHead,
    ResponseReader,
    number_of,
    render_response,
)

_BLANKS = b" \t"
_END = re.compile(rb"\n\r?\n")
_START = b"HTTP/"
STATUS_LINE = re.compile(rb"HTTP/(?:1\.[0-9]{1,2}|0\.9)[ \t]++([1-9][0-9]{2})(?:[ \t]([^\r]*+))?+")
"""Without its end. Python's client takes any version that begins with `HTTP/1.`, uv's only 1.0 and 1.1"""
STATUS_LINE_LIMIT = 8 * 1024
"""Bytes. Arbitrary: pip takes 64 KiB, and reasons are short"""
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_CONTROL = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]")
_NAMES_FRAMING = re.compile(rb"content-length|transfer-encoding", re.IGNORECASE)
_FRAMING = (b"content-length", b"transfer-encoding")
_SEEN_BY_PIP = re.compile(rb"[!-9;-~]*+:|[ \t]")
"""How a line begins behind which Python's parser, and so pip, reads on. At any other the fields end"""
_MOST_DIGITS = 18
"""Of a length, without leading zeros: less than 64 bits"""


class LenientReader:
    """Reads one head, from its first byte. It takes line feeds for line ends, as both clients do."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._raw = bytearray()
        self._searched = 0
        """Bytes of it that hold no end of what is looked for"""
        self._begin = 0
        """Where the status line begins"""
        self._lines_at = -1
        """Where the lines behind the status line begin; negative before it has come"""
        self._status = 0
        self._reason = b""
        self.size = 0
        """Bytes of the head, once it is complete"""

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes. Return the bytes beyond the head once it is complete, else None."""
        self._raw += data
        if self._lines_at < 0:
            self._read_status_line()
        end = None
        if self._lines_at >= 0:
            end = _END.search(self._raw, max(self._lines_at - 1, self._searched - 2))
            self._searched = len(self._raw)
        size = len(self._raw) if end is None else end.end()
        if size > ANSWER_HEAD_LIMIT:
            raise MalformedHead(f"the head is longer than {ANSWER_HEAD_LIMIT} bytes", is_too_long=True)
        if end is None:
            return None
        self.size = size
        return bytes(self._raw[size:])

    def head(self) -> ResponseHead:
        """The head. Of an answer to an upload it is what the status line tells, if the rest is malformed."""
        try:
            return self._rest()
        except MalformedHead:
            begun = self.begun()
            if self._method == "POST" and begun is not None:
                return begun
            raise

    def begun(self) -> ResponseHead | None:
        """What the status line tells, without fields and body; None if it has not come."""
        return ResponseHead(self._status, self._reason, "1.1", [], 0) if self._status else None

    def _read_status_line(self) -> None:
        """Empty lines before it are skipped (uv does). No byte is looked at twice, in however many pieces."""
        while (end := self._raw.find(b"\n", self._searched)) >= 0:
            line = bytes(self._raw[self._begin : end]).removesuffix(b"\r")
            self._searched = end + 1
            if line:
                self._take_status_line(line)
                return
            self._begin = self._searched
        self._searched = len(self._raw)
        start = bytes(self._raw[self._begin : self._begin + len(_START)])
        if start not in (b"", b"\r") and not _START.startswith(start):
            raise MalformedHead("no status line")
        if len(self._raw) - self._begin > STATUS_LINE_LIMIT:
            raise MalformedHead(f"the status line is longer than {STATUS_LINE_LIMIT} bytes", is_too_long=True)

    def _take_status_line(self, text: bytes) -> None:
        line = STATUS_LINE.fullmatch(text) if len(text) < STATUS_LINE_LIMIT else None
        if line is None:
            raise MalformedHead("no status line")
        self._lines_at = self._searched
        self._status, self._reason = int(line[1]), (line[2] or b"").strip(_BLANKS)

    def _rest(self) -> ResponseHead:
        lines = bytes(self._raw[self._lines_at : self.size]).split(b"\n")
        fields, seen = _fields([line.removesuffix(b"\r") for line in lines])
        has_no_body = self._method == "HEAD" or self._status < 200 or self._status in (204, 304)
        try:
            framing, announced = _framing(fields)
            behind = _behind(framing, fields[:seen], fields[seen:])
        except MalformedHead:
            if not has_no_body:  # RFC 9112 §6.3: then these fields mean nothing
                raise
            framing, announced, behind = [], [], "anything"
        others = [field for field in fields if field[0] not in _FRAMING]
        reader = ResponseReader(self._method)
        reader.limit = 2 * ANSWER_HEAD_LIMIT  # a short field gets longer
        if reader.feed(render_response(self._status, self._reason, [*others, *framing])) != b"":
            raise MalformedHead("no end of the head")
        head = reader.head()
        return head._replace(
            headers=[*head.headers, *announced], behind="anything" if has_no_body else behind
        )


def _fields(lines: list[bytes]) -> tuple[Headers, int]:
    """The fields, names in lower case, and how many of them pip sees.

    Raises MalformedHead if an odd line could concern the framing.
    """
    names: list[bytes] = []
    values: list[list[bytes]] = []
    """Of each name, the parts of its value"""
    continues = False
    """Whether a line that begins with a blank continues the last field (RFC 9112 §5.2, obsolete)"""
    seen = -1
    for line in lines:
        if line and seen < 0 and not _SEEN_BY_PIP.match(line):
            seen = len(names)
        if b"\r" in line:  # a line end for Python's client, and none for others
            raise MalformedHead("a bare carriage return")
        written, colon, value = line.partition(b":")
        name = written.rstrip(_BLANKS).lower()
        is_plain = colon and not _CONTROL.search(value)
        if name != written.lower() or not is_plain or not _TOKEN.fullmatch(name):
            _refuse_framing(line)
        if line[:1] in (b" ", b"\t"):
            if names and names[-1] in _FRAMING:
                raise MalformedHead("a folded field of framing")
            if continues and not _CONTROL.search(line):
                values[-1].append(line.strip(_BLANKS))
        elif line:
            continues = bool(is_plain and _TOKEN.fullmatch(name))
            if continues:
                names.append(name)
                values.append([value.strip(_BLANKS)])
    fields = [(name, b" ".join(parts)) for name, parts in zip(names, values, strict=True)]
    return fields, len(fields) if seen < 0 else seen


def _refuse_framing(line: bytes) -> None:
    if _NAMES_FRAMING.search(line):
        raise MalformedHead("an odd line that names the length or the coding of the body")


def _framing(fields: Headers) -> tuple[Headers, Headers]:
    """The one field that frames the body; and the length beside a chunked one, which has to be the same."""
    lengths = {_length(part) for value in _values(fields, b"content-length") for part in value.split(b",")}
    if len(lengths) > 1:
        raise MalformedHead("two lengths")
    length: Headers = [(b"content-length", b"%d" % one) for one in lengths]
    codings = [
        part.strip(_BLANKS).lower()
        for value in _values(fields, b"transfer-encoding")
        for part in value.split(b",")
    ]
    if any(coding in CODINGS or (b"chunked" in coding and coding != b"chunked") for coding in codings):
        raise MalformedHead("the only transfer coding taken is chunked")
    if b"chunked" not in codings:
        return length, []
    if codings[-1] != b"chunked":  # RFC 9112 §6.3: then the end of the connection ends the body
        raise MalformedHead("chunked is not the last transfer coding")
    return [(b"transfer-encoding", b"chunked")], length


def _behind(framing: Headers, seen: Headers, unseen: Headers) -> Behind:
    """What may follow a body of this framing. `unseen`: the fields that pip does not see.

    pip reads a body whose length it has missed to the end of the connection; uv one with any transfer coding.
    """
    if _values(unseen, b"transfer-encoding"):
        raise MalformedHead("a transfer coding behind a line at which some readers stop")
    if [name for name, _ in framing] != [b"content-length"]:
        return "anything"
    if not _values(seen, b"content-length"):
        return "end"
    return "nothing" if _values(seen, b"transfer-encoding") else "anything"


def _length(text: bytes) -> int:
    digits = text.strip(_BLANKS)
    is_short = len(digits) <= MOST_DIGITS and len(digits.lstrip(b"0")) <= _MOST_DIGITS
    length = number_of(digits) if is_short else None
    if length is None:
        raise MalformedHead("Content-Length is not a number")
    return length


def _values(fields: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in fields if key == name]

"""Heads and chunked bodies: the same however they are cut, and what is rendered from them has one reading."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.http.answer_chunks import AnswerChunks
from sidecar.http.headers import to_client, to_registry
from sidecar.http.http1 import (
    CHUNKED,
    Headers,
    HeadReader,
    MalformedHead,
    RequestHead,
    RequestReader,
    ResponseHead,
    ResponseReader,
    render_request,
    render_response,
)
from sidecar.http.registry_heads import RegistryReader
from sidecar.http.request_chunks import ChunkedReader
from support.sidecars.octets import chunked_bodies, cut, request_heads, response_heads, tried

Outcome = tuple[object, ...]
HOST = "registry.example"


def outcome(reader: RequestReader | ResponseReader, pieces: list[bytes]) -> Outcome:
    """The head and what lies beyond it; or the refusal; or nothing where the end has not come."""
    beyond: bytes | None = None
    try:
        for piece in pieces:
            beyond = reader.feed(piece) if beyond is None else beyond + piece
        return ("waits",) if beyond is None else ("head", reader.head(), beyond)
    except MalformedHead as error:
        return ("refused", str(error), error.is_too_long)


@tried(200)
@given(st.data())
def test_a_request_head_has_one_outcome_however_it_is_cut(data: st.DataObject) -> None:
    raw = data.draw(request_heads())
    assert outcome(RequestReader(), data.draw(cut(raw))) == outcome(RequestReader(), [raw])


@tried(200)
@given(st.data(), st.sampled_from(["GET", "HEAD", "POST"]))
def test_a_response_head_has_one_outcome_however_it_is_cut(data: st.DataObject, method: str) -> None:
    raw = data.draw(response_heads())
    assert outcome(ResponseReader(method), data.draw(cut(raw))) == outcome(ResponseReader(method), [raw])


@tried(400)
@given(st.data(), st.sampled_from(["GET", "HEAD", "POST"]))
def test_a_registrys_head_has_one_outcome_however_it_is_cut(data: st.DataObject, method: str) -> None:
    raw = data.draw(response_heads())
    whole, pieces = RegistryReader(method), RegistryReader(method)
    assert outcome(pieces, data.draw(cut(raw))) == outcome(whole, [raw])
    assert pieces.is_odd == whole.is_odd


@tried(400)
@given(response_heads(), st.sampled_from(["GET", "HEAD", "POST"]))
def test_a_registrys_head_is_odd_where_the_strict_reader_refuses_it(raw: bytes, method: str) -> None:
    strict, reader = outcome(ResponseReader(method), [raw]), RegistryReader(method)
    assert outcome(reader, [raw]) == strict or reader.is_odd
    assert reader.is_odd == (strict[0] == "refused" or is_of_no_client(raw, strict))


def is_of_no_client(raw: bytes, strict: Outcome) -> bool:
    """A head that llhttp takes, and neither pip nor uv: another protocol, another version, no status."""
    head = strict[1] if strict[0] == "head" else None
    return isinstance(head, ResponseHead) and (
        not raw.startswith(b"HTTP/") or head.version not in ("0.9", "1.0", "1.1") or head.status < 100
    )


def decoded(pieces: list[bytes], *, is_request: bool) -> tuple[bytes | None, bool]:
    """The body, None if it is refused, and whether its end has come."""
    reader, found = ChunkedReader() if is_request else AnswerChunks(), b""
    try:
        for piece in pieces:
            if piece:
                found += b"".join(reader.feed(piece))
    except MalformedHead:
        return None, False
    return found, reader.is_complete


@tried(200)
@given(st.data(), st.booleans())
def test_a_chunked_body_has_one_outcome_however_it_is_cut(data: st.DataObject, is_request: bool) -> None:
    raw = data.draw(chunked_bodies())
    whole = decoded([raw], is_request=is_request)
    assert decoded(data.draw(cut(raw)), is_request=is_request) == whole


@tried(200)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_a_well_formed_chunked_body_is_decoded(pieces: list[bytes]) -> None:
    raw = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    for is_request in (True, False):
        assert decoded([raw], is_request=is_request) == (b"".join(pieces), True)


@tried(400)
@given(chunked_bodies())
def test_what_is_strictly_a_chunked_body_is_the_same_to_the_lenient_reader(raw: bytes) -> None:
    strict = decoded([raw], is_request=True)
    if strict[0] is not None:
        assert decoded([raw], is_request=False) == strict


def strict_fields(raw: bytes) -> tuple[bytes, Headers]:
    """Start line and fields, read in the one way that all readers share: the oracle of this file."""
    head, end, beyond = raw.partition(b"\r\n\r\n")
    assert (end, beyond) == (b"\r\n\r\n", b"")
    start, *lines = head.split(b"\r\n")
    assert not {0, 10, 13} & {octet for line in [start, *lines] for octet in line}
    fields = [line.partition(b":") for line in lines]
    assert all(colon and name and name.strip(b" \t") == name for name, colon, _ in fields)
    return start, [(name, value.strip(b" \t")) for name, _, value in fields]


def stripped(headers: Headers) -> Headers:
    return [(name, value.strip(b" \t")) for name, value in headers]


def accepted(reader: HeadReader, raw: bytes) -> bool:
    try:
        return reader.feed(raw) is not None
    except MalformedHead:
        return False


@tried(200)
@given(request_heads(), st.booleans())
def test_what_a_registry_gets_has_one_reading(raw: bytes, is_page: bool) -> None:
    reader = RequestReader()
    if not accepted(reader, raw):
        return
    try:
        head = reader.head()
    except MalformedHead:
        return
    fields = to_registry(
        head.headers, host=HOST, authorization=b"Basic eDp5", page_mark=b"0" * 8 if is_page else None
    )
    framing = (
        (b"transfer-encoding", b"chunked")
        if head.length == CHUNKED
        else (b"content-length", b"%d" % head.length)
    )
    rendered = render_request("POST", "/upload/", [*fields, framing])
    assert strict_fields(rendered) == (b"POST /upload/ HTTP/1.1", stripped([*fields, framing]))
    again = RequestReader()
    assert again.feed(rendered) == b""
    read = again.head()
    assert (read.length, stripped(read.headers)) == (head.length, stripped([*fields, framing]))
    assert_framed_once(read)


def assert_framed_once(head: RequestHead) -> None:
    framing = [name for name, _ in head.headers if name in (b"content-length", b"transfer-encoding")]
    assert len(framing) == 1


@tried(200)
@given(response_heads(), st.booleans(), st.integers(0, 10))
def test_what_a_client_gets_has_one_reading(raw: bytes, is_rewritten: bool, length: int) -> None:
    reader = RegistryReader("GET")
    if not accepted(reader, raw):
        return
    try:
        head = reader.head()
    except MalformedHead:
        return
    fields = [*to_client(head.headers, is_rewritten=is_rewritten), (b"content-length", b"%d" % length)]
    rendered = render_response(head.status, head.reason, fields)
    start, found = strict_fields(rendered)
    assert start.startswith(b"HTTP/1.1 %d " % head.status)
    assert not [octet for octet in start if octet < 32 or octet == 127]
    assert found == stripped(fields)
    again = ResponseReader("HEAD" if head.status < 200 else "GET")
    assert again.feed(rendered) == b""
    assert stripped(again.head().headers) == found

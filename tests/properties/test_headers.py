"""Whatever fields a peer finds: credentials and what is of one hop alone never cross, in either direction."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.http.headers import to_client, to_registry
from sidecar.http.http1 import Headers, MalformedHead, RequestReader, ResponseReader
from support.sidecars.octets import BLANKS, TOKEN, tried

OURS = b"Basic b3Vycw=="
TO_REGISTRY = {
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"authorization",
    b"cache-control",
    b"content-type",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"pragma",
    b"range",
    b"user-agent",
    b"via",
}
"""Written here once more, so that a name more is a change of two files"""
NEVER_TO_CLIENT = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"set-cookie",
    b"set-cookie2",
    b"www-authenticate",
    b"location",
    b"content-length",
}
FRAMING = {b"content-length", b"transfer-encoding"}
"""What llhttp refuses with a value that is no length and no coding"""
SECRET_NAMES = [
    b"Authorization",
    b"Proxy-Authorization",
    b"Cookie",
    b"Cookie2",
    b"PRIVATE-TOKEN",
    b"JOB-TOKEN",
    b"DEPLOY-TOKEN",
    b"X-JFrog-Art-Api",
    b"X-Devpi-Auth",
    b"X-Api-Key",
    b"X-Amz-Security-Token",
    b"X-Forwarded-For",
    b"X-HTTP-Method-Override",
]


@st.composite
def in_any_case(draw: st.DrawFn, name: bytes) -> bytes:
    return bytes(octet ^ 32 if chr(octet).isalpha() and draw(st.booleans()) else octet for octet in name)


def names() -> st.SearchStrategy[bytes]:
    known = [*SECRET_NAMES, *sorted(TO_REGISTRY), *sorted(NEVER_TO_CLIENT - FRAMING)]
    unknown = st.lists(st.sampled_from(TOKEN), min_size=1, max_size=8).map(bytes)
    return st.sampled_from(known).flatmap(in_any_case) | unknown


@st.composite
def raw_fields(draw: st.DrawFn) -> bytes:
    """Fields, each with the value `theirs`, and lists of names inside Connection."""
    found = b""
    sent = draw(st.lists(names(), max_size=8))
    for name in sent:
        found += name + b":" + draw(BLANKS) + b"theirs" + draw(BLANKS) + b"\r\n"
    nominees = st.sampled_from(sent).flatmap(in_any_case) | names() if sent else names()
    for nominated in draw(st.lists(st.lists(nominees, max_size=3), max_size=2)):
        found += b"Connection:" + draw(BLANKS) + b" , ".join(nominated) + b"\r\n"
    return found


def nominated_in(headers: Headers) -> set[bytes]:
    parts = b",".join(value for name, value in headers if name == b"connection").split(b",")
    return {part.strip(b" \t").lower() for part in parts}


@tried(250)
@given(raw_fields(), st.booleans(), st.sampled_from([None, OURS]))
def test_only_what_is_listed_reaches_a_registry(
    raw: bytes, is_page: bool, authorization: bytes | None
) -> None:
    reader = RequestReader()
    try:
        assert reader.feed(b"GET / HTTP/1.1\r\n" + raw + b"\r\n") == b""
        head = reader.head()
    except MalformedHead:
        return
    sent = to_registry(
        head.headers,
        host="registry.example",
        authorization=authorization,
        page_mark=b"0" * 8 if is_page else None,
    )
    assert {name for name, _ in sent} <= TO_REGISTRY
    assert [value for name, value in sent if name == b"authorization"] == [OURS] * (authorization is not None)
    assert [value for name, value in sent if name == b"host"] == [b"registry.example"]
    theirs = {name for name, value in sent if value.strip() == b"theirs"}
    assert not theirs & nominated_in(head.headers)
    assert not theirs & {b"authorization", b"host", b"via"}


@tried(250)
@given(raw_fields(), st.booleans())
def test_what_is_of_one_hop_and_what_is_secret_does_not_reach_a_client(
    raw: bytes, is_rewritten: bool
) -> None:
    reader = ResponseReader("GET")
    try:
        assert reader.feed(b"HTTP/1.1 200 OK\r\n" + raw + b"\r\n") == b""
        head = reader.head()
    except MalformedHead:
        return
    sent = to_client(head.headers, is_rewritten=is_rewritten)
    assert not {name for name, _ in sent} & (NEVER_TO_CLIENT | nominated_in(head.headers))
    kept = [header for header in head.headers if header in sent]
    assert sent == kept  # in their order, none invented

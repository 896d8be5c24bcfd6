"""No target that is accepted leaves the index, the files or the upload, however a server reads it."""

import re
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.grant import Grant
from sidecar.errors import Refusal
from sidecar.rules.layout import Layout
from sidecar.rules.routes import route
from support.sidecars.octets import mostly, tried

OWN, FILES = "https://registry.example", "https://files.example:8443"


def layout(index: str) -> Layout:
    document = Grant(
        version="1",
        index_url=OWN + index,
        upload_url=f"{OWN}/upload/",
        file_origins=(FILES,),
        ca=None,
        credential=None,
        soft_seconds=1.0,
        hard_seconds=1.0,
        broker_ca=(),
        address=OWN,
    )
    return Layout.of(document)


LAYOUTS = [
    layout(one)
    for one in ("/simple/", "/repository/pypi/simple/", "/", "/simple/main/", "/root/pypi/+simple/")
]
PLAIN = [
    "simple",
    "repository",
    "pypi",
    "main",
    "root",
    "+simple",
    "_o",
    "files.example:8443",
    "legacy",
    "api",
    "foo",
]
ODD = [
    "..",
    ".",
    "%2e%2e",
    ".%2E",
    "%252e%252e",
    "..;",
    "..%2f..",
    "..%5c..",
    "%00",
    "%0d%0a",
    "a%3bb",
    "a%3fb",
    "a%23b",
    "%c0%ae%c0%ae",
    "%C0%AF",
    "%e0%80%ae",
]
ODD += ["a;b", "a\\b", "", "evil.example", "FILES.example:8443", "files.example", "%66oo", "foo%2Dbar"]
FILES_OF_FOO = [
    "foo-1.0-py3-none-any.whl",
    "foo-1.0.tar.gz",
    "foo-1.0.tar.gz.metadata",
    "foo-1.0%2Bcpu.zip",
    "foo-1.0.exe",
]
METHODS = mostly(
    st.sampled_from(["GET", "GET", "HEAD", "POST"]), st.sampled_from(["PUT", "DELETE", "CONNECT", "OPTIONS"])
)
SEGMENTS = mostly(
    st.sampled_from(PLAIN) | st.sampled_from(ODD),
    st.one_of(
        st.text(st.characters(max_codepoint=255), max_size=6),
        st.binary(max_size=2).map(lambda octets: "".join(f"%{octet:02x}" for octet in octets)),
    ),
)
STARTS = mostly(st.just("/"), st.sampled_from(["", "//", "http://registry.example/", "*"]))
FOLDERS = st.sampled_from(
    ["simple/", "repository/pypi/simple/", "simple/main/", "root/pypi/+simple/", "_o/files.example:8443/", ""]
)
ENDS = st.one_of(
    st.sampled_from(["", "/", "?a=b", "?../..", "?a=%2f", "#x"]),
    st.sampled_from(FILES_OF_FOO).map(lambda name: f"/{name}"),
)
TARGETS = st.builds(
    lambda start, folder, segments, end: start + folder + "/".join(segments) + end,
    STARTS,
    FOLDERS,
    st.lists(SEGMENTS, max_size=3),
    ENDS,
)
FILE = re.compile(r".+\.(whl|zip|tgz|tar\.gz|tar\.bz2|tar\.xz)(\.metadata|\.provenance|\.asc)?", re.DOTALL)

OVERLONG = re.compile(rb"(?:[\xc0\xc1]|\xe0[\x80\x81])[\x80-\xbf]")


def readings(path: str) -> list[str]:
    """The path as servers may come to see it: decoded up to three times, cut at what they take for an end."""
    found = [path]
    for _ in range(3):
        found.append(unquote(found[-1], "latin-1"))
    found.append(leniently(path))
    return [re.split(r"[?#;\0\r\n]", one.replace("\\", "/"))[0] for one in found]


def leniently(path: str) -> str:
    """Decoded by who takes overlong UTF-8 for the ASCII character within (RFC 3629 §10)."""
    return OVERLONG.sub(
        lambda found: bytes([(found[0][-2] & 1) << 6 | found[0][-1] & 0x3F]), unquote_to_bytes(path)
    ).decode("latin-1")


def resolved(path: str) -> list[str]:
    """Its segments without dots and empty ones, the last one kept."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return kept


def assert_stays(path: str, below: str | None, *, is_asked_again: bool = False) -> None:
    """As many segments in each reading; below a folder, or with a file's name at its end."""
    plain = [segment for segment in path.split("/") if segment]
    for reading in readings(path):
        segments = resolved(reading)
        assert len(segments) == len(plain), reading
        if below is None:
            assert FILE.fullmatch(segments[-1]), reading
        else:
            folder = [segment for segment in below.split("/") if segment]
            assert segments[: len(folder)] == folder, reading
            assert len(segments) <= len(folder) + 1 or is_asked_again, reading


@tried(1000)
@given(
    METHODS,
    TARGETS,
    st.sampled_from(LAYOUTS),
)
def test_what_is_accepted_stays_where_it_may_go(method: str, target: str, found: Layout) -> None:
    try:
        chosen = route(method, target, found)
    except Refusal:
        return
    parts = urlsplit(chosen.url)
    path = target.partition("?")[0]
    assert " " not in chosen.url
    assert chosen.url.isascii()
    assert chosen.url.isprintable()
    if chosen.action == "upload":
        assert (method, chosen.url) == ("POST", f"{OWN}/upload/")
        assert path in ("/", "/legacy", "/legacy/")
        return
    assert method in ("GET", "HEAD")
    if chosen.action == "redirect":
        assert not parts.netloc
        assert_stays(parts.path, found.index_path, is_asked_again=True)
    elif chosen.action == "index":
        assert chosen.url.startswith(f"{OWN}/")
        assert parts.path == path  # byte for byte
        assert_stays(parts.path, found.index_path)
    elif path.startswith("/_o/"):
        assert chosen.url.startswith(f"{FILES}/")
        assert path.lower().startswith("/_o/files.example:8443/")
        assert_stays(parts.path, None)
    else:
        assert chosen.url.startswith(f"{OWN}/")
        assert parts.path == path
        assert_stays(parts.path, None)

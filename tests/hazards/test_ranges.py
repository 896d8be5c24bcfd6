"""Ranges, HEAD and conditional requests: a file's bytes and validators pass as they are."""

import hashlib
import os
from pathlib import Path

import pytest

from support.servers.registry import Call, Registry, gzipped
from support.sidecars.running import Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
BODY = os.urandom(300_000)
ETAG = '"abc"'


def serve(call: Call) -> None:
    """A file as a good registry serves it."""
    request = call.request
    if request.header("if-none-match") == ETAG:
        call.start(304, {"ETag": ETAG, "Cache-Control": "max-age=600"})
        call.keeps = True
        return
    headers = {"ETag": ETAG, "Accept-Ranges": "bytes", "Last-Modified": "Tue, 24 Nov 2026 00:00:00 GMT"}
    asked = request.header("range")
    if asked and request.header("if-range") in (None, ETAG):
        start, _, end = asked.removeprefix("bytes=").partition("-")
        first = int(start) if start else len(BODY) - int(end)
        last = int(end) if start and end else len(BODY) - 1
        if first >= len(BODY):
            call.reply(416, b"", {"Content-Range": f"bytes */{len(BODY)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(BODY)}"
        call.reply(206, BODY[first : last + 1], headers)
    else:
        call.reply(200, BODY, headers)


@pytest.fixture(autouse=True)
def _file(registry: Registry) -> None:
    registry.on(WHEEL, serve)
    registry.on(WHEEL + ".metadata", lambda call: call.reply(200, b"Metadata-Version: 2.1\n"))


def test_a_file_arrives_as_it_is(sidecar: Sidecar) -> None:
    reply = sidecar.get(WHEEL)
    assert hashlib.sha256(reply.body).digest() == hashlib.sha256(BODY).digest()
    assert reply.header("content-length") == str(len(BODY))
    assert reply.header("etag") == ETAG
    assert reply.header("accept-ranges") == "bytes"
    assert reply.header("last-modified")


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("0-99", 0, 99), ("299000-", 299_000, 299_999), ("-5", 299_995, 299_999)]
)
def test_a_part_of_a_file_is_that_part(sidecar: Sidecar, asked: str, first: int, last: int) -> None:
    reply = sidecar.get(WHEEL, Range=f"bytes={asked}")
    assert (reply.status, reply.body) == (206, BODY[first : last + 1])
    assert reply.header("content-range") == f"bytes {first}-{last}/{len(BODY)}"
    assert reply.header("content-length") == str(last + 1 - first)


def test_a_part_is_resumed_only_of_the_same_file(sidecar: Sidecar) -> None:
    assert sidecar.get(WHEEL, Range="bytes=5-", If_Range=ETAG).status == 206
    assert sidecar.get(WHEEL, Range="bytes=5-", If_Range='"other"').body == BODY


def test_a_part_beyond_the_end_is_416(sidecar: Sidecar) -> None:
    reply = sidecar.get(WHEEL, Range="bytes=999999-")
    assert (reply.status, reply.header("content-range")) == (416, f"bytes */{len(BODY)}")


def test_head_tells_the_length_and_sends_nothing(sidecar: Sidecar) -> None:
    reply = sidecar.ask("HEAD", WHEEL)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.header("content-length") == str(len(BODY))
    assert reply.header("accept-ranges") == "bytes"
    assert sidecar.ask("HEAD", "/files/bar-1.0.tar.gz").status == 404


def test_what_the_client_has_already_is_304(sidecar: Sidecar) -> None:
    reply = sidecar.get(WHEEL, If_None_Match=ETAG)
    assert (reply.status, reply.body, reply.header("etag")) == (304, b"", ETAG)
    assert reply.header("cache-control") == "max-age=600"
    assert reply.header("content-length") is None


def test_metadata_beside_a_file_is_served(sidecar: Sidecar) -> None:
    assert sidecar.get(WHEEL + ".metadata").body == b"Metadata-Version: 2.1\n"


def test_an_index_page_can_be_asked_for_conditionally_but_not_in_parts(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("/simple/foo/", serve)
    reply = sidecar.get("/simple/foo/", Range="bytes=0-5")
    assert (reply.status, reply.header("accept-ranges")) == (200, None)
    etag = reply.header("etag") or ""
    assert sidecar.get("/simple/foo/", If_None_Match=etag).status == 304
    assert sidecar.get("/simple/foo/", If_None_Match=f'"x", {etag}').status == 304
    assert sidecar.get("/simple/foo/", If_None_Match=ETAG).status == 200  # never told for this page


def test_a_page_is_sent_again_where_its_links_lead_elsewhere_now(registry: Registry, tmp_path: Path) -> None:
    """The registry's is the same; the Connector declares one more origin, whose links must lead here."""
    registry.on("/simple/foo/", serve)
    with running_sidecar(tmp_path, grant(registry)) as before:
        etag = before.get("/simple/foo/").header("etag") or ""
        assert before.get("/simple/foo/", If_None_Match=etag).status == 304
    more = grant(registry, file_origins=("https://files.example",))
    with running_sidecar(tmp_path, more) as after:
        assert after.get("/simple/foo/", If_None_Match=etag).status == 200


def test_a_coding_of_a_file_passes_untouched(registry: Registry, sidecar: Sidecar) -> None:
    packed = gzipped(BODY)
    registry.on(WHEEL, lambda call: call.reply(200, packed, {"Content-Encoding": "gzip"}))
    reply = sidecar.get(WHEEL, Accept_Encoding="gzip")
    assert (reply.body, reply.header("content-encoding")) == (packed, "gzip")
    assert registry.requests[-1].header("accept-encoding") == "gzip"
    sidecar.get(WHEEL)
    assert registry.requests[-1].header("accept-encoding") == "identity"


def test_a_file_of_unknown_length_arrives_whole(registry: Registry, sidecar: Sidecar) -> None:
    def chunked(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked"})
        for at in range(0, len(BODY), 70_000):
            call.send_chunk(BODY[at : at + 70_000])
        call.send(b"0\r\n\r\n")
        call.keeps = True

    def until_close(call: Call) -> None:
        call.start(200)
        call.send(BODY)

    for script in (chunked, until_close):
        registry.on(WHEEL, script)
        reply = sidecar.get(WHEEL)
        assert reply.body == BODY
        assert reply.header("transfer-encoding") == "chunked"

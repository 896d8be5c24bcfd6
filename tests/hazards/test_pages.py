"""Index pages through a real sidecar: the alias, codings, types, and pages larger than any buffer."""

import gzip
import json
from pathlib import Path

import pytest

from support.machine.processes import forget_peak, peak_kib, resident_kib
from support.servers.registry import Call, Registry, gzipped
from support.sidecars.running import Sidecar, grant, running_sidecar

PAGE = "/simple/foo/"
LINK = '<a href="{}">x</a>\n'


def many_links(origin: str, count: int = 20_000) -> bytes:
    files = [f"{origin}/p/foo-{number}.tar.gz#sha256=ab" for number in range(count)]
    return "".join(map(LINK.format, files)).encode()


def test_the_alias_leads_to_the_registrys_own_path(registry: Registry, tmp_path: Path) -> None:
    registry.page("/root/pypi/+simple/foo/", b'<a href="../../+f/foo-1.0.tar.gz">')
    devpi = grant(registry, index_url=f"{registry.origin}/root/pypi/+simple/")
    with running_sidecar(tmp_path, devpi) as sidecar:
        reply = sidecar.get(PAGE)
        assert (reply.status, reply.header("location")) == (302, "/root/pypi/+simple/foo/")
        assert reply.header("cache-control") == "no-store"
        assert registry.connections == 0
        assert sidecar.get("/root/pypi/+simple/foo/").body == b'<a href="../../+f/foo-1.0.tar.gz">'


def test_a_path_that_the_connector_declares_in_an_odd_spelling_is_asked_for_so(
    registry: Registry, tmp_path: Path
) -> None:
    own = "/api/v4/projects/group%2Fproject/packages/pypi/simple/foo/"
    registry.page(own, b"<a>")
    gitlab = grant(registry, index_url=registry.origin + own.removesuffix("foo/"))
    with running_sidecar(tmp_path, gitlab) as sidecar:
        assert sidecar.get(PAGE).header("location") == own
        assert sidecar.get(own).body == b"<a>"


def test_a_large_page_is_rewritten_while_it_streams(registry: Registry, sidecar: Sidecar) -> None:
    page = many_links(registry.origin)
    assert len(page) > 1_000_000
    expected = page.replace(registry.origin.encode(), b"")

    def in_pieces(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked", "Content-Type": "text/html"})
        for at in range(0, len(page), 7777):
            call.send_chunk(page[at : at + 7777])
        call.send(b"0\r\n\r\n")

    registry.page(PAGE, page)
    assert sidecar.get(PAGE).body == expected
    registry.on(PAGE, in_pieces)
    assert sidecar.get(PAGE).body == expected


def test_a_packed_page_is_unpacked_and_rewritten(registry: Registry, sidecar: Sidecar) -> None:
    page = many_links(registry.origin)
    expected = page.replace(registry.origin.encode(), b"")
    half = len(page) // 2
    for packed in (gzipped(page), gzipped(page[:half]) + gzipped(page[half:])):
        registry.on(
            PAGE,
            lambda call, packed=packed: call.reply(
                200, packed, {"Content-Type": "text/html", "Content-Encoding": "gzip"}
            ),
        )
        reply = sidecar.get(PAGE)
        assert reply.body == expected
        assert reply.header("content-encoding") is None
        assert registry.requests[-1].header("accept-encoding") == "gzip"


def test_zeros_behind_a_packed_page_are_padding(registry: Registry, sidecar: Sidecar) -> None:
    """So gzip(1) reads them."""
    packed = gzipped(b"<a>hello</a>") + bytes(1000)
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    registry.on(PAGE, lambda call: call.reply(200, packed, headers))
    assert sidecar.get(PAGE).body == b"<a>hello</a>"


def test_a_page_that_was_changed_on_the_way_here_is_a_page(registry: Registry, sidecar: Sidecar) -> None:
    """203, of a transforming proxy before the registry (RFC 9110 §15.3.4)."""
    page = LINK.format(f"{registry.origin}/p/foo-1.0.tar.gz").encode()
    registry.on(PAGE, lambda call: call.reply(203, page, {"Content-Type": "text/html"}))
    assert sidecar.get(PAGE).body == LINK.format("/p/foo-1.0.tar.gz").encode()


def test_blanks_behind_a_headers_value_are_none_of_it(registry: Registry, sidecar: Sidecar) -> None:
    """RFC 9112 §5.1; of a length, a coding and a place alike."""
    headers = {"Content-Type": "text/html \t", "Content-Encoding": "gzip ", "Transfer-Encoding": "chunked "}

    def with_blanks(call: Call) -> None:
        call.start(200, headers)
        call.send_chunk(gzipped(b"<a>hello</a>"))
        call.send(b"0\r\n\r\n")

    registry.on("/simple/bar/", with_blanks)
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/simple/bar/ "}))
    assert sidecar.get(PAGE).body == b"<a>hello</a>"


def test_what_packs_extremely_well_costs_time_and_not_memory(registry: Registry, sidecar: Sidecar) -> None:
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    small, bomb = (gzip.compress(b"<a>" * count, 9) for count in (100_000, 20_000_000))
    registry.on("/simple/bar/", lambda call: call.reply(200, small, headers))
    assert sidecar.get("/simple/bar/").status == 200
    registry.on(PAGE, lambda call: call.reply(200, bomb, headers))
    before = resident_kib(sidecar.process.pid)
    forget_peak(sidecar.process.pid)
    assert len(sidecar.get(PAGE).body) == 60_000_000
    assert peak_kib(sidecar.process.pid) - before < 2 * 1024


JSON = "application/vnd.pypi.simple.v1+json"
ENDLESS = {  # type → how it begins, its lines; spelled plainly and otherwise
    "text/html": ("<!DOCTYPE html>", LINK),
    "text/html; charset=utf-8": ("<!DOCTYPE html>", "<A title='x' HREF='{}'>é</A>\n"),
    JSON: ('{"files":[', '{{"url": "{}", "hashes": {{}}}},\n'),
    JSON + "; x=y": ('{"files":[', '{{"yanked": "\\n", "url": "{}"}},\n'),
}


@pytest.mark.parametrize("kind", ENDLESS, ids=["html", "html by tags", "json", "json by values"])
def test_a_page_of_50_mb_passes_in_constant_memory(registry: Registry, sidecar: Sidecar, kind: str) -> None:
    begin, line = ENDLESS[kind]
    lines = 1_000
    size = 50_000_000 if kind in ("text/html", JSON) else 10_000_000  # the other ways take ten times as long
    times = size // (lines * len(line.format(f"{registry.origin}/p/foo-1.0.tar.gz")))

    def script(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked", "Content-Type": kind})
        call.send_chunk(begin.encode())
        piece = line.format(f"{registry.origin}/p/foo-1.0.tar.gz").encode() * lines
        for _ in range(times):
            call.send_chunk(piece)
        call.send(b"0\r\n\r\n")

    registry.page("/simple/bar/", begin.encode(), kind)
    assert sidecar.get("/simple/bar/").status == 200
    registry.on(PAGE, script)
    before = resident_kib(sidecar.process.pid)
    forget_peak(sidecar.process.pid)
    expected = begin.encode() + line.format("/p/foo-1.0.tar.gz").encode() * lines * times
    assert sidecar.get(PAGE).body == expected
    assert peak_kib(sidecar.process.pid) - before < 4 * 1024


def test_a_json_page_keeps_its_type_and_its_validators(registry: Registry, sidecar: Sidecar) -> None:
    kind = "application/vnd.pypi.simple.v1+json"
    page = {"files": [{"url": f"{registry.origin}/p/foo-1.0.tar.gz", "hashes": {}}], "name": "foo"}
    registry.page(PAGE, json.dumps(page).encode(), kind, ETag='"a"', Vary="Accept")
    reply = sidecar.get(PAGE, Accept=kind)
    assert json.loads(reply.body)["files"][0]["url"] == "/p/foo-1.0.tar.gz"
    assert [reply.header(name) for name in ("content-type", "vary")] == [kind, "Accept"]
    assert (reply.header("etag") or "").startswith('W/"')
    assert registry.requests[0].header("accept") == kind


def test_what_is_no_index_page_passes_unchanged(registry: Registry, sidecar: Sidecar) -> None:
    body = LINK.format(f"{registry.origin}/x").encode()
    registry.page(PAGE, body, "text/plain")
    assert sidecar.get(PAGE).body == body


def test_head_of_a_page_has_no_body(registry: Registry, sidecar: Sidecar) -> None:
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    registry.on(PAGE, lambda call: call.reply(200, gzipped(b"<a>"), headers))
    reply = sidecar.ask("HEAD", PAGE)
    assert (reply.status, reply.body, reply.header("content-type")) == (200, b"", "text/html")


def test_a_page_without_a_place_to_cut_is_given_up(registry: Registry, sidecar: Sidecar) -> None:
    registry.page(PAGE, b'<p title="' + b"x" * 6_000_000)
    reply = sidecar.get(PAGE)
    assert reply.status == 502
    assert "256 KiB" in reply.reason


@pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
def test_the_status_of_an_error_instead_of_a_page_is_passed_on(
    registry: Registry, sidecar: Sidecar, status: int
) -> None:
    registry.on(PAGE, lambda call: call.reply(status, b"sorry", {"Retry-After": "7"}))
    reply = sidecar.get(PAGE)
    assert (reply.status, reply.header("retry-after")) == (status, "7")
    assert reply.body == b"the registry answers %d\n" % status


def test_a_time_out_of_the_registrys_own_becomes_one_that_pip_repeats(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on(PAGE, lambda call: call.reply(504, b"gateway"))
    assert sidecar.get(PAGE).status == 503

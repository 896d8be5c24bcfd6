"""Connectors in order: what the first registry does not have is looked for at the next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.contract.grant import Grant, PackagePolicy
from support.servers.registry import Call, Registry
from support.sidecars.lines import Line, line_of
from support.sidecars.running import grant

HTML = {"Content-Type": "text/html"}
WHEEL = "foo-1.0-py3-none-any.whl"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with line_of(tmp_path) as found:
        yield found


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "target", ["/simple/foo/", "/simple/foo", "/simple/Foo/", "/simple/foo/?format=json"]
)
def test_a_project_that_the_first_does_not_have_is_looked_for_at_the_next(
    line: Line, method: str, target: str
) -> None:
    reply = line.ask(method, target)
    assert (reply.status, reply.header("location")) == (302, line.url(1))
    assert reply.header("cache-control") == "no-store"
    assert reply.header("etag") is None
    logged = line.sidecar.wait_line(message="request", status=302)
    assert (logged["level"], logged["reason"], logged["action"]) == ("info", "next-connector", "index")
    assert logged["detail"] == "the registry answers 404: the next connector, team/mirror, is asked"
    assert line.registries[1].requests == []


def test_a_name_is_normalised_on_the_way(line: Line) -> None:
    assert line.get("/simple/Foo._Bar/").header("location") == line.url(1, "foo-bar")


def test_a_project_of_the_first_stays_there_whatever_the_next_has(line: Line) -> None:
    for registry in line.registries:
        registry.page("/simple/foo/", b"<a href='/files/foo-1.0.zip'>foo-1.0.zip</a>")
    reply = line.get("/simple/foo/")
    assert reply.status == 200
    assert f"127.0.0.1:{line.ports[1]}".encode() not in reply.body
    assert line.registries[1].requests == []


def test_links_of_the_next_lead_to_its_own_port(line: Line) -> None:
    line.registries[1].page("/simple/foo/", b"<a href='/files/foo-1.0.zip'>foo-1.0.zip</a>")
    body = line.get("/simple/foo/", at=1).body.decode()
    assert f"http://127.0.0.1:{line.ports[1]}/files/foo-1.0.zip" in body or "href='/files/" in body


def test_the_order_goes_one_way_and_the_last_answer_is_404(tmp_path: Path) -> None:
    with line_of(tmp_path, 3) as line:
        assert line.get("/simple/foo/").header("location") == line.url(1)
        assert line.get("/simple/foo/", at=1).header("location") == line.url(2)
        last = line.get("/simple/foo/", at=2)
        assert (last.status, last.header("location")) == (404, None)
        assert last.reason == "the registry answers 404"


def test_a_connector_out_of_the_order_is_not_part_of_it(tmp_path: Path) -> None:
    """A publish-connector has a listener, too."""
    with line_of(tmp_path, 3, ordered=2) as line:
        assert line.get("/simple/foo/", at=1).status == 404
        assert line.get("/simple/foo/", at=2).status == 404


def test_without_an_order_nothing_is_passed_on(tmp_path: Path) -> None:
    with line_of(tmp_path, 2, ordered=0) as line:
        assert line.get("/simple/foo/").status == 404


@pytest.mark.parametrize("status", [400, 401, 403, 405, 406, 410, 429, 451, 500, 502, 503, 504])
def test_another_answer_of_the_first_is_passed_on_to_nobody(line: Line, status: int) -> None:
    line.registries[0].on("*", lambda call: call.reply(status, b"no"))
    reply = line.get("/simple/foo/")
    assert reply.status >= 400
    assert reply.header("location") is None
    assert line.registries[1].requests == []


def breaks_off(call: Call) -> None:
    call.send(b"HTTP/1.1 404 Not Found\r\nContent-Le")


def speaks_no_http(call: Call) -> None:
    call.send(b"404 not found, by another protocol\r\n\r\n")


@pytest.mark.parametrize("script", [breaks_off, speaks_no_http])
def test_a_broken_answer_is_passed_on_to_nobody(line: Line, script: Any) -> None:
    line.registries[0].on("*", script)
    reply = line.get("/simple/foo/")
    assert (reply.status, reply.header("location")) == (502, None)


def test_a_registry_that_cannot_be_reached_is_passed_on_to_nobody(tmp_path: Path) -> None:
    with line_of(tmp_path) as line:
        line.registries[0].__exit__(None, None, None)
        assert line.get("/simple/foo/").status == 502
        assert line.registries[1].requests == []


@pytest.mark.parametrize(
    "target",
    [
        "/simple/",
        "/simple",
        f"/simple/foo/{WHEEL}",
        f"/files/{WHEEL}",
        f"/files/{WHEEL}.metadata",
        f"/files/{WHEEL}.provenance",
        "/files/foo-1.0.tar.gz.asc",
        "/other/",
        "/pypi/foo/json",
        "/simple/foo/bar/",
        "/simple/../simple/foo/",
        "/simple//foo/",
    ],
)
def test_only_the_page_of_a_project_is_passed_on(line: Line, target: str) -> None:
    reply = line.get(target)
    assert reply.status in (400, 404)
    assert reply.header("location") is None


def test_no_upload_is_passed_on(line: Line) -> None:
    line.registries[0].on("*", lambda call: call.reply(404, b"no such index"))
    for target in ("/", "/legacy/", "/simple/foo/"):
        reply = line.sidecar.upload(b"foo", target=target)
        assert reply.status in (404, 405)
        assert reply.header("location") is None
    assert line.registries[1].requests == []


def away(to: str) -> Any:
    return lambda call: call.reply(302, b"", {"Location": to})


def test_our_own_404_is_no_answer_of_the_registry(line: Line, tmp_path: Path) -> None:
    """GitLab sends whoever misses a project to pypi.org."""
    line.registries[0].on("/simple/foo/", away("https://pypi.org/simple/foo/"))
    reply = line.get("/simple/foo/")
    assert (reply.status, reply.header("location")) == (404, None)
    assert line.sidecar.wait_line(message="request", status=404)["reason"] == "redirect-not-followed"


def test_a_404_behind_the_registrys_own_redirect_counts(line: Line) -> None:
    line.registries[0].on("/simple/foo/", away("/simple/normal/"))
    assert line.get("/simple/foo/").header("location") == line.url(1)


def test_a_404_to_a_request_without_the_credential_does_not_count(tmp_path: Path) -> None:
    """A redirect out of the address loses the credential, and registries hide with 404 what they keep."""

    def grants(at: int, registry: Registry) -> Grant:
        return grant(registry, index_url=f"{registry.origin}/own/simple/", address=f"{registry.origin}/own/")

    with line_of(tmp_path, grants=grants) as line:
        line.registries[0].on("/own/simple/foo/", away("/elsewhere/foo/"))
        reply = line.get("/own/simple/foo/")
        assert (reply.status, reply.header("location")) == (404, None)
        assert line.registries[0].requests[-1].header("authorization") is None


@pytest.mark.parametrize(
    "policy",
    [PackagePolicy("team/private", allow=(), deny=("foo",)), PackagePolicy("team/private", ("bar",), ())],
)
def test_a_package_that_the_first_denies_is_looked_for_nowhere(tmp_path: Path, policy: PackagePolicy) -> None:
    with line_of(tmp_path, grants=lambda at, one: grant(one, packages=None if at else policy)) as line:
        reply = line.get("/simple/foo/")
        assert (reply.status, reply.header("location")) == (403, None)
        assert line.registries[0].requests == []


def test_a_package_that_the_next_denies_ends_there(tmp_path: Path) -> None:
    policy = PackagePolicy("team/mirror", allow=(), deny=("team-*",))
    with line_of(
        tmp_path, 3, grants=lambda at, one: grant(one, packages=policy if at == 1 else None)
    ) as line:
        assert line.get("/simple/team-x/").header("location") == line.url(1, "team-x")
        assert line.get("/simple/team-x/", at=1).status == 403
        assert line.registries[1].requests == []


def test_the_index_of_a_registry_may_lie_anywhere(tmp_path: Path) -> None:
    def grants(at: int, registry: Registry) -> Grant:
        path = ("/root/team/+simple/", "/")[at]
        return grant(registry, index_url=f"{registry.origin}{path}")

    with line_of(tmp_path, grants=grants) as line:
        own = line.get("/simple/foo/").header("location")
        assert own == "/root/team/+simple/foo/"
        assert line.get(own).header("location") == line.url(1)
        assert line.get("/simple/foo/", at=1).header("location") == "/foo/"
        assert line.get("/root/team/+simple/").status == 404


def test_each_request_decides_anew(line: Line) -> None:
    """A project that is published is served from then on, and one that is deleted is passed on."""
    first = line.registries[0]
    assert line.get("/simple/foo/").status == 302
    first.page("/simple/foo/", b"<a href='/files/foo-1.0.zip'>foo-1.0.zip</a>")
    assert line.get("/simple/foo/").status == 200
    first.on("/simple/foo/", lambda call: call.reply(404))
    assert line.get("/simple/foo/").status == 302


def test_a_condition_of_one_registrys_page_never_reaches_the_other(line: Line) -> None:
    """pip and uv send the tag of the page that they have to wherever a redirect leads."""
    for registry in line.registries:
        registry.on("/simple/foo/", lambda call: call.reply(200, b"<html>", {"ETag": '"1"', **HTML}))
    tags = [line.get("/simple/foo/", at=at).header("etag") or "" for at in (0, 1)]
    assert tags[0] != tags[1]
    for at in (0, 1):
        line.get(
            "/simple/foo/",
            at=at,
            If_None_Match=tags[1 - at],
            If_Modified_Since="Tue, 01 Dec 2026 00:00:00 GMT",
        )
        last = line.registries[at].requests[-1]
        assert (last.header("if-none-match"), last.header("if-modified-since")) == (None, None)


def test_a_404_that_is_no_modification_is_passed_on_too(line: Line) -> None:
    reply = line.get("/simple/foo/", If_None_Match='W/"x"')
    assert reply.header("location") == line.url(1)


def test_the_connection_to_the_first_and_to_the_client_stay_in_use(line: Line) -> None:
    for _ in range(3):
        assert line.get("/simple/foo/").status == 302
    assert line.registries[0].connections == 1
    request = b"GET /simple/foo/ HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
    answers = line.sidecar.exchange(request % b"" + request % b"Connection: close\r\n")
    assert answers.count(b"HTTP/1.1 302 ") == 2


@pytest.mark.parametrize("length", [70_000, 2_000_000])
def test_a_404_with_a_long_page_is_passed_on_at_once(line: Line, length: int) -> None:
    line.registries[0].on("*", lambda call: call.reply(404, b"x" * length, HTML))
    assert line.get("/simple/foo/").status == 302


def test_a_file_of_the_next_is_vouched_for_by_its_own_page(line: Line) -> None:
    """A lock file names it by the next connector's port."""
    line.registries[1].page(f"/files/{WHEEL}", b"wheel", "application/octet-stream")
    assert line.get(f"/files/{WHEEL}", at=1).body == b"wheel"
    assert line.get(f"/files/{WHEEL}").status == 404


def test_a_client_can_ask_for_one_registry_alone(tmp_path: Path) -> None:
    """`uv publish` asks so for files of the same name, before an upload."""

    def grants(at: int, registry: Registry) -> Grant:
        return grant(registry, index_url=f"{registry.origin}/{('own/simple', 'simple')[at]}/")

    with line_of(tmp_path, grants=grants) as line:
        own = line.get("/simple/foo/?next=no").header("location")
        assert own == "/own/simple/foo/?next=no"
        alone = line.get(own)
        assert (alone.status, alone.header("location")) == (404, None)
        for other in ("?next=yes", "?next=no&a=b", "?anext=no"):
            assert line.get(f"/own/simple/foo/{other}").status == 302

"""Scope: the credential opens the Connector's address, and files that its pages list. Nothing beside it."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.servers.registry import PATIENCE_SECONDS, Registry, Script
from support.sidecars.running import AUTHORIZATION, Sidecar, grant, running_sidecar

INDEX = "/repository/all/simple/"
OWN = "/repository/all/packages/foo-1.0-py3-none-any.whl"
OTHER = "/repository/other-team/packages/foo-1.0-py3-none-any.whl"
PAGE = INDEX + "foo/"

Page = Callable[[str], Script]


def raw_html(body: str) -> Script:
    return lambda call: call.reply(200, body.encode(), {"Content-Type": "text/html"})


def html(link: str) -> Script:
    return raw_html(f'<a href="{link}">x</a>\n')


def json_page(link: str) -> Script:
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    body = f'{{"meta":{{"api-version":"1.0"}},"files":[{{"filename":"x","url":"{link}","hashes":{{}}}}]}}'
    return lambda call: call.reply(200, body.encode(), kind)


PAGES = pytest.mark.parametrize("page", [html, json_page], ids=["html", "json"])


@pytest.fixture
def scoped(registry: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    """The sidecar of a Connector whose address is one repository of several on a registry."""
    address = f"{registry.origin}/repository/all"
    document = grant(registry, index_url=registry.origin + INDEX, address=address)
    with running_sidecar(tmp_path, document) as sidecar:
        registry.on("*", lambda call: call.reply(200, b"file"))
        registry.on(PAGE, html("../../packages/foo-1.0-py3-none-any.whl"))
        yield sidecar


def targets(registry: Registry) -> list[str]:
    return [request.target for request in registry.requests]


def test_a_file_below_the_address_needs_no_page(registry: Registry, scoped: Sidecar) -> None:
    assert scoped.get(OWN).body == b"file"
    assert targets(registry) == [OWN]
    assert registry.requests[-1].header("authorization") == AUTHORIZATION


def test_the_repository_beside_it_stays_closed(registry: Registry, scoped: Sidecar) -> None:
    """Its file has the name of a file of ours. The page is read once, and does not list it."""
    reply = scoped.get(OTHER)
    assert (reply.status, OTHER in targets(registry)) == (404, False)
    assert "declare the path of its files as addressExtensions files" in reply.reason
    assert scoped.get(OTHER).status == 404
    assert targets(registry) == [PAGE]  # once for both


@PAGES
@pytest.mark.parametrize("link", [OTHER, "../../../other-team/packages/foo-1.0-py3-none-any.whl", "whole"])
@pytest.mark.parametrize("reads_first", [True, False], ids=["page first", "locked URL"])
def test_what_a_page_lists_is_opened(
    registry: Registry, scoped: Sidecar, page: Page, link: str, reads_first: bool
) -> None:
    registry.on(PAGE, page(registry.origin + OTHER if link == "whole" else link))
    if reads_first:
        assert scoped.get(PAGE).status == 200
    assert scoped.get(OTHER).body == b"file"
    assert registry.requests[-1].header("authorization") == AUTHORIZATION
    assert scoped.get(OTHER + ".metadata").body == b"file"
    assert targets(registry) == [PAGE, OTHER, OTHER + ".metadata"]
    assert scoped.get(OTHER.replace("foo-1.0", "foo-2.0")).status == 404


@pytest.mark.parametrize(
    "link", ['rel="homepage" href="{}"', "href='{}' rel='nofollow download'", "rel=homepage href={}"]
)
def test_links_of_a_packages_author_open_nothing(registry: Registry, scoped: Sidecar, link: str) -> None:
    """Old indexes put links of the metadata on the page. The author could name a file of another team."""
    registry.on(PAGE, raw_html(f"<a {link.format(OTHER)}>x</a>"))
    assert scoped.get(PAGE).status == 200
    assert scoped.get(OTHER).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/service/rest/v1/users",
        "/repository/other-team/secret.txt",
        "/repository/other-team/../other-team/foo-1.0.zip",
        "/repository/%2e%2e/foo-1.0.zip",
        "/repository/..;x/foo-1.0.zip",
        "/repository/%252e%252e/foo-1.0.zip",
        "/repository/%c0%ae%c0%ae/foo-1.0.zip",
        "/repository/a%5cb/foo-1.0.zip",
        "/repository/a%00/foo-1.0.zip",
    ],
)
def test_a_listed_path_that_is_no_archive_or_climbs_stays_closed(
    registry: Registry, scoped: Sidecar, path: str
) -> None:
    registry.on(PAGE, html(path))
    assert scoped.get(PAGE).status == 200
    assert scoped.get(path).status in (400, 404)
    assert set(targets(registry)) == {PAGE}


def test_a_page_opens_files_of_its_own_project_alone(registry: Registry, scoped: Sidecar) -> None:
    """Whoever may write a link into the page of their package opens nothing of another team's packages."""
    registry.on(PAGE, html("/repository/other-team/secret-1.0.zip"))
    assert scoped.get(PAGE).status == 200
    assert scoped.get("/repository/other-team/secret-1.0.zip").status == 404


@pytest.mark.parametrize(
    "location",
    [
        "ORIGIN/repository/all/simple/foo/../../../../raw/attacker.html",
        "ORIGIN/repository/all/simple/%2e%2e/%2e%2e/%2e%2e/raw/attacker.html",
        "/repository/all/simple/foo/x/attacker.html",
        "/repository/all/simple/a%2fb/",
    ],
)
def test_a_redirect_that_climbs_out_of_the_index_vouches_for_nothing(
    registry: Registry, scoped: Sidecar, location: str
) -> None:
    registry.on("*", html(OTHER))
    to = location.replace("ORIGIN", registry.origin)
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": to}))
    assert scoped.get(PAGE).status == 200
    assert registry.requests[-1].header("authorization") is None
    assert scoped.get(OTHER).status == 404


def test_a_redirect_to_our_spelling_of_foreign_files_takes_no_credential_along(
    registry: Registry, scoped: Sidecar
) -> None:
    registry.on(OWN, lambda call: call.reply(302, b"", {"Location": "/_o/files.example/foo-1.0.zip"}))
    scoped.get(OWN)
    assert registry.requests[-1].header("authorization") is None


@PAGES
def test_a_link_that_is_too_long_costs_only_that_link(
    registry: Registry, scoped: Sidecar, page: Page
) -> None:
    registry.on(PAGE, page(f"/elsewhere/foo-1.0.zip?sig={'a' * 5000}"))
    assert scoped.get(PAGE).status == 200
    assert scoped.get("/elsewhere/foo-1.0.zip").status == 404


@PAGES
@pytest.mark.parametrize(("link", "asked"), [("f\u00f6", "f%C3%B6"), ("f g", "f%20g"), ("f|g", "f%7Cg")])
def test_a_link_in_plain_letters_is_found_by_its_escapes(
    registry: Registry, scoped: Sidecar, page: Page, link: str, asked: str
) -> None:
    registry.on(PAGE, page(f"/elsewhere/{link}/foo-1.0.zip"))
    assert scoped.get(f"/elsewhere/{asked}/foo-1.0.zip").body == b"file"


def test_a_path_in_one_segment_tells_its_project(registry: Registry, scoped: Sidecar) -> None:
    path = "/elsewhere/files/foo%2F1.0%2Ffoo-1.0.tar.gz"
    registry.on(PAGE, html(path))
    assert scoped.get(path).body == b"file"


def test_a_page_behind_a_changing_proxy_counts(registry: Registry, scoped: Sidecar) -> None:
    body = f'<a href="{OTHER}">x</a>'.encode()
    registry.on(PAGE, lambda call: call.reply(203, body, {"Content-Type": "text/html"}))
    assert scoped.get(OTHER).body == b"file"


def test_a_page_that_cannot_be_asked_for_is_not_looked_at(registry: Registry, tmp_path: Path) -> None:
    """With an index at `/`, the page of a project `simple` has the path of the alias."""
    with running_sidecar(tmp_path, grant(registry, index_url=f"{registry.origin}/")) as sidecar:
        assert sidecar.get("/x/simple-1.0.tar").status == 404


@pytest.mark.parametrize("attribute", ['data-yanked="rel=download"', 'data-rel="download"', 'rel="internal"'])
def test_only_the_links_own_rel_counts(registry: Registry, scoped: Sidecar, attribute: str) -> None:
    registry.on(PAGE, raw_html(f'<a {attribute} href="{OTHER}">x</a>'))
    assert scoped.get(PAGE).status == 200
    assert scoped.get(OTHER).body == b"file"


def test_a_page_of_somebody_else_vouches_for_nothing(registry: Registry, scoped: Sidecar) -> None:
    """An open redirect of the registry leads to a page that an attacker has uploaded there."""
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/raw/attacker.html"}))
    registry.on("/raw/attacker.html", html(OTHER))
    assert scoped.get(PAGE).status == 200
    assert registry.requests[-1].header("authorization") is None
    assert scoped.get(OTHER).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/repository/all/f[1]/foo-1.0-py3-none-any.whl",
        "/repository/all//f//foo-1.0-py3-none-any.whl",
        "/repository/all/g%2Fp/foo-1.0-py3-none-any.whl",
        "/repository/all/a;v=1/foo-1.0-py3-none-any.whl",
        "/repository/all/f/foo-1.0.tar",
        "/repository/all/f/foo-1.0.txz",
        "/repository/all/f/foo-1.0.tar.lzma",
        "/repository/all/f/foo-1.0-py3-none-any-x86_64_v3.whl",
        "/repository/all/f/foo-1.0-variants.json",
        "/elsewhere/a%25b/foo-1.0.tar.gz",
        "/elsewhere/foo-1.0-py3-none-any.whl",
        "/elsewhere/foo-1.0.tar.gz?sig=a%2Fb",
    ],
)
@PAGES
def test_a_listed_archive_may_have_any_path_and_ending(
    registry: Registry, scoped: Sidecar, page: Page, path: str
) -> None:
    assert scoped.get(path).status in (400, 404)
    assert path not in targets(registry)
    registry.on(PAGE, page(path))
    assert scoped.get(PAGE).status == 200  # a client reads the page, so the next look may be at once
    assert scoped.get(path).body == b"file"
    assert (registry.requests[-1].target, registry.requests[-1].header("authorization")) == (
        path,
        AUTHORIZATION,
    )
    assert scoped.ask("HEAD", path).status == 200


def test_a_listed_file_at_the_path_of_the_alias_is_that_file(registry: Registry, scoped: Sidecar) -> None:
    registry.on(PAGE, html("/simple/files/foo-1.0.zip"))
    assert scoped.get("/simple/files/foo-1.0.zip").status == 302
    assert scoped.get(PAGE).status == 200
    assert scoped.get("/simple/files/foo-1.0.zip").body == b"file"


def test_pip_and_uv_spell_a_listed_path_in_their_own_ways(registry: Registry, scoped: Sidecar) -> None:
    path = "/repository/other-team/f[1]/a%2Fb/foo-1.0.tar"
    registry.on(PAGE, html(path))
    for spelling in (path, path.replace("[1]", "%5B1%5D"), path.replace("other-team", "other%2Dteam")):
        assert scoped.get(spelling).body == b"file"
        assert registry.requests[-1].target == spelling
    assert scoped.get(path.replace("%2F", "/")).status == 400


def test_a_busy_registry_is_asked_again_after_a_second(registry: Registry, scoped: Sidecar) -> None:
    registry.on(PAGE, lambda call: call.reply(503, b""))
    for _ in range(3):
        reply = scoped.get(OTHER)
        assert (reply.status, reply.header("retry-after")) == (503, "1")
    assert targets(registry) == [PAGE]
    registry.on(PAGE, html(OTHER))
    until = time.monotonic() + PATIENCE_SECONDS
    while (reply := scoped.get(OTHER)).status == 503 and time.monotonic() < until:
        time.sleep(0.05)
    assert reply.body == b"file"


def test_a_page_that_nobody_has_is_asked_for_once(registry: Registry, scoped: Sidecar) -> None:
    registry.on(PAGE, lambda call: call.reply(404, b""))
    for number in range(3):
        assert scoped.get(OTHER.replace("1.0", f"1.{number}")).status == 404
    assert targets(registry) == [PAGE]
    line = scoped.wait_line(message="page read for a file that no page had listed")
    assert (line["package"], line["status"]) == ("foo", 404)


def test_fifty_files_of_a_project_cost_one_look(registry: Registry, scoped: Sidecar) -> None:
    names = [f"/other/foo-1.{number}.tar.gz" for number in range(50)]
    registry.on(PAGE, raw_html("".join(f'<a href="{name}">x</a>' for name in names)))
    with ThreadPoolExecutor(50) as pool:
        assert {reply.body for reply in pool.map(scoped.get, names)} == {b"file"}
    assert targets(registry).count(PAGE) == 1


def test_a_declared_prefix_of_the_registry_is_opened(registry: Registry, tmp_path: Path) -> None:
    document = grant(
        registry,
        index_url=registry.origin + INDEX,
        address=f"{registry.origin}/repository/all",
        file_prefixes=(f"{registry.origin}/content",),
    )
    registry.on("*", lambda call: call.reply(200, b"file"))
    with running_sidecar(tmp_path, document) as sidecar:
        assert sidecar.get("/content/foo-1.0.tar.gz").body == b"file"
        assert registry.requests[-1].header("authorization") == AUTHORIZATION
        assert sidecar.get("/content-of-others/foo-1.0.tar.gz").status == 404
        registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/content/simple/foo/"}))
        assert sidecar.get(PAGE).body == b"file"
        assert registry.requests[-1].header("authorization") == AUTHORIZATION


def test_a_redirect_out_of_the_address_is_named_if_it_wants_the_credential(
    registry: Registry, scoped: Sidecar
) -> None:
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/other/simple/foo/"}))
    registry.on("/other/simple/foo/", lambda call: call.reply(401, b""))
    reply = scoped.get(PAGE)
    assert (reply.status, registry.requests[-1].header("authorization")) == (403, None)
    assert (
        f"redirects to {registry.origin}/other/simple/foo/, outside the Connector's address" in reply.reason
    )
    assert "as addressExtensions files" in reply.reason
    scoped.wait_line(message="request", reason="redirect-not-followed", level="warning")
    assert scoped.get(OWN).body == b"file"  # the registry's 401 was not about the credential


def test_the_file_of_a_page_is_part_of_the_index(registry: Registry, scoped: Sidecar) -> None:
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": PAGE + "index.html"}))
    registry.on(PAGE + "index.html", html(OTHER))
    assert scoped.get(PAGE).status == 200
    assert registry.requests[-1].header("authorization") == AUTHORIZATION
    assert scoped.get(OTHER).body == b"file"


def test_a_broker_that_sends_no_address_opens_the_index_and_what_it_lists(
    registry: Registry, tmp_path: Path
) -> None:
    with running_sidecar(tmp_path, grant(registry, address=None)) as sidecar:
        registry.on("*", lambda call: call.reply(200, b"file"))
        registry.on("/simple/foo/", html("/packages/foo-1.0.tar.gz"))
        assert sidecar.get("/packages/foo-1.0.tar.gz").body == b"file"
        assert sidecar.get("/packages/bar-1.0.tar.gz").status == 404

"""Scope: the credential opens the Connector's address, and files that its pages list. Nothing beside it."""

import gzip
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.running import AUTHORIZATION, Sidecar, grant, running_sidecar
from support.sidecars.scoped import INDEX, OTHER, OWN, PAGE, PAGES, Page, html, raw_html, targets


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
        "/repository/all/simple/index.html",
        "/repository/all/simple/evil/",
    ],
)
def test_a_redirect_to_another_page_vouches_for_nothing(
    registry: Registry, scoped: Sidecar, location: str
) -> None:
    registry.on("*", html(OTHER))
    to = location.replace("ORIGIN", registry.origin)
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": to}))
    assert scoped.get(PAGE).status == 200
    assert scoped.get(OTHER).status == 404


def test_a_redirect_to_our_spelling_of_foreign_files_takes_no_credential_along(
    registry: Registry, scoped: Sidecar
) -> None:
    registry.on(OWN, lambda call: call.reply(302, b"", {"Location": "/_o/files.example/foo-1.0.zip"}))
    scoped.get(OWN)
    assert registry.requests[-1].header("authorization") is None


def test_a_compressed_page_is_read(registry: Registry, scoped: Sidecar) -> None:
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    body = gzip.compress(f'<a href="{OTHER}">x</a>'.encode())
    registry.on(PAGE, lambda call: call.reply(200, body, headers))
    assert scoped.get(OTHER).body == b"file"


def test_a_page_behind_a_changing_proxy_counts(registry: Registry, scoped: Sidecar) -> None:
    body = f'<a href="{OTHER}">x</a>'.encode()
    registry.on(PAGE, lambda call: call.reply(203, body, {"Content-Type": "text/html"}))
    assert scoped.get(OTHER).body == b"file"


def test_a_page_that_cannot_be_asked_for_is_not_looked_at(registry: Registry, tmp_path: Path) -> None:
    """With an index at `/`, the page of a project `simple` has the path of the alias."""
    with running_sidecar(tmp_path, grant(registry, index_url=f"{registry.origin}/")) as sidecar:
        assert sidecar.get("/x/simple-1.0.tar").status == 404


def test_a_page_of_somebody_else_vouches_for_nothing(registry: Registry, scoped: Sidecar) -> None:
    """An open redirect of the registry leads to a page that an attacker has uploaded there."""
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/raw/attacker.html"}))
    registry.on("/raw/attacker.html", html(OTHER))
    assert scoped.get(PAGE).status == 200
    assert registry.requests[-1].header("authorization") is None
    assert scoped.get(OTHER).status == 404


def test_a_busy_registry_is_asked_again_after_a_second(registry: Registry, scoped: Sidecar) -> None:
    registry.on(PAGE, lambda call: call.reply(503, b""))
    for _ in range(3):
        reply = scoped.get(OTHER)
        assert (reply.status, reply.header("retry-after")) == (503, "1")
    scoped.wait_line(status=503, reason="page-unavailable")
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


@contextmanager
def moved(registry: Registry, folder: Path, to: str, body: Page = html) -> Iterator[Sidecar]:
    """The index keeps its pages at `to`, below a declared prefix; they list a file of another place."""
    document = grant(
        registry,
        index_url=registry.origin + INDEX,
        address=f"{registry.origin}/repository/all",
        file_prefixes=(f"{registry.origin}/content/simple/",),
    )
    registry.on("*", lambda call: call.reply(200, b"file"))
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": to}))
    registry.on(to, body(OTHER))
    with running_sidecar(folder, document) as sidecar:
        yield sidecar


@PAGES
@pytest.mark.parametrize("reads_first", [True, False], ids=["page first", "locked URL"])
@pytest.mark.parametrize(
    "to", ["/content/simple/foo/", "/content/simple/Foo", "/content/simple/foo/index.html"]
)
def test_a_page_that_the_index_keeps_at_a_declared_place_opens_what_it_lists(
    registry: Registry, tmp_path: Path, page: Page, reads_first: bool, to: str
) -> None:
    with moved(registry, tmp_path, to, page) as sidecar:
        if reads_first:
            assert sidecar.get(PAGE).status == 200
        assert sidecar.get(OTHER).body == b"file"
        assert registry.requests[-1].header("authorization") == AUTHORIZATION
        assert sidecar.get(OTHER.replace("foo-1.0", "foo-2.0")).status == 404


@pytest.mark.parametrize(
    "to",
    [
        "/content/simple/evil/",
        "/content/simple/foo/x.html",
        "/content/simple/foo/evil/index.html",
        "/content/simple/foo/?of=evil",
        "/content/simple/index.html",
        "/content/simple/x%2ffoo/",
        "/content/simple//foo/",
        "/content/foo/",
        "/content/simple/../foo/",
    ],
)
def test_any_other_page_below_a_declared_place_vouches_for_nothing(
    registry: Registry, tmp_path: Path, to: str
) -> None:
    """Somebody else may keep files there."""
    with moved(registry, tmp_path, to) as sidecar:
        assert sidecar.get(PAGE).status == 200
        assert sidecar.get(OTHER).status == 404


def test_a_pod_leads_no_page_to_a_declared_place(registry: Registry, tmp_path: Path) -> None:
    """By an open redirect of the registry, whose target is in the query."""
    with moved(registry, tmp_path, "/content/simple/foo/") as sidecar:
        evil, file = "/content/simple/evil/foo/", OTHER.replace("foo-1.0", "foo-6.6")
        registry.on(evil, html(file))

        def follow(call: Call) -> None:
            _, _, to = call.request.target.partition("?next=")
            call.reply(302, b"", {"Location": to or "/content/simple/foo/"})

        registry.on(PAGE, follow)
        assert sidecar.get(f"{PAGE}?next={evil}").status == 200
        assert targets(registry)[-1] == evil
        assert sidecar.get(file).status == 404


def test_a_redirect_out_of_the_address_is_named_if_it_wants_the_credential(
    registry: Registry, scoped: Sidecar
) -> None:
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/other/simple/foo/"}))
    registry.on("/other/simple/foo/", lambda call: call.reply(401, b""))
    reply = scoped.get(PAGE)
    assert (reply.status, registry.requests[-1].header("authorization")) == (403, None)
    assert f"redirects to {registry.origin}/other/simple/, outside the Connector's address" in reply.reason
    assert "as addressExtensions files" in reply.reason
    scoped.wait_line(message="request", reason="redirect-not-followed", level="warning")
    assert scoped.get(OWN).body == b"file"  # the registry's 401 was not about the credential


@pytest.mark.parametrize(
    ("path", "to", "named"),
    [
        (PAGE, "/other/simple/foo/index.html", "/other/simple/"),
        (PAGE, "/other/simple/foo", "/other/simple/"),
        (INDEX, "/other/simple/", "/other/simple/"),
        (INDEX, "/other/simple/index.html", "/other/simple/"),
        (INDEX, "/other", "/other/"),
        (OWN, "/blobs/4f/1c", "/blobs/4f/"),
    ],
)
def test_the_place_is_named_that_has_all_pages(
    registry: Registry, scoped: Sidecar, path: str, to: str, named: str
) -> None:
    registry.on(path, lambda call: call.reply(302, b"", {"Location": to}))
    registry.on(to, lambda call: call.reply(401, b""))
    assert f"redirects to {registry.origin}{named}, outside" in scoped.get(path).reason


def test_a_missing_page_behind_such_a_redirect_is_missing(registry: Registry, scoped: Sidecar) -> None:
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/other/simple/foo/"}))
    registry.on("/other/simple/foo/", lambda call: call.reply(404, b""))
    assert (scoped.get(PAGE).status, scoped.get(PAGE).reason) == (404, "the registry answers 404")


def test_without_a_credential_a_redirect_wants_none(registry: Registry, tmp_path: Path) -> None:
    address = f"{registry.origin}/repository/all"
    document = grant(registry, index_url=registry.origin + PAGE[:-4], address=address, credential=None)
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/other/simple/foo/"}))
    registry.on("/other/simple/foo/", lambda call: call.reply(403, b""))
    with running_sidecar(tmp_path, document) as sidecar:
        assert "addressExtensions" not in sidecar.get(PAGE).reason


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

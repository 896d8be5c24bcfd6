"""Links of pages: which of them open a file outside the address or with an odd name, and which never do."""

import pytest

from support.servers.registry import Registry
from support.sidecars.running import AUTHORIZATION, Sidecar
from support.sidecars.scoped import INDEX, OTHER, PAGE, PAGES, Page, html, raw_html, targets


@pytest.mark.parametrize(
    "link",
    [
        'rel="homepage" href="{}"',
        "href='{}' rel='nofollow download'",
        "rel=homepage href={}",
        'rel="&#104;omepage" href="{}"',
    ],
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


@pytest.mark.parametrize("attribute", ['data-yanked="rel=download"', 'data-rel="download"', 'rel="internal"'])
def test_only_the_links_own_rel_counts(registry: Registry, scoped: Sidecar, attribute: str) -> None:
    registry.on(PAGE, raw_html(f'<a {attribute} href="{OTHER}">x</a>'))
    assert scoped.get(PAGE).status == 200
    assert scoped.get(OTHER).body == b"file"


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


def test_the_longest_of_the_possible_projects_is_looked_at(registry: Registry, scoped: Sidecar) -> None:
    file = "/elsewhere/a-1-b-2-c-3-d-1.0.tar"
    registry.on(f"{INDEX}a-1-b-2-c-3-d/", html(file))
    assert scoped.get(file).body == b"file"

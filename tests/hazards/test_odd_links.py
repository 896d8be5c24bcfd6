"""Links that are no URLs, or too long, or hold what no text can: each costs itself, never the page."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sidecar.links.rewriting import PageLinks, PageRewriter
from support.pages.index_pages import LAYOUT
from support.servers.registry import Registry
from support.sidecars.running import PASSWORD, Sidecar, grant, running_sidecar
from support.sidecars.scoped import PAGES, Page, raw_html

PAGE = "/simple/foo/"
GOOD = "/files/foo-1.0-py3-none-any.whl"
ALL = "https://registry.example/repository/pypi/simple/foo/"
MANY_DIGITS = "&#" + "1" * 4400 + ";"


@pytest.mark.parametrize(
    "link",
    [
        f"/files/{MANY_DIGITS}foo-1.0.zip",
        "https://u:pa[ss@registry.example/foo-1.0.zip",
        "https:1&#128512;" + "x" * 9000,
        "https://registry.example/" + "x" * 9000 + ".zip",
        "https://" + "h" * 9000 + "/foo-1.0.zip",
        "https://us\u00e9r:pw@registry.example/foo-1.0.zip",
        "//[::1",
    ],
)
def test_an_odd_link_costs_only_itself(registry: Registry, sidecar: Sidecar, link: str) -> None:
    registry.on(PAGE, raw_html(f"<a href='{link}'>x</a><a href='{registry.origin}{GOOD}'>y</a>"))
    reply = sidecar.get(PAGE)
    assert reply.status == 200
    assert f"<a href='{GOOD}'>" in reply.body.decode()


@pytest.mark.parametrize("base", ["http://\u2121;", "https://u:pa[ss@h/", "//["])
def test_an_odd_base_costs_only_itself(registry: Registry, sidecar: Sidecar, base: str) -> None:
    registry.on(PAGE, raw_html(f"<base href='{base}'><a href='https:@files.example/foo-1.zip'>x</a>"))
    assert sidecar.get(PAGE).status == 200


@pytest.mark.parametrize(
    "link", ["https://\\ud800@registry.example/foo-1.zip", "https://\\udce9r:p@f.example/foo-1.zip"]
)
def test_half_of_a_surrogate_pair_in_json_costs_only_its_link(
    registry: Registry, tmp_path: Path, link: str
) -> None:
    from support.sidecars.scoped import json_page

    with running_sidecar(tmp_path, grant(registry, file_origins=("https://f.example",))) as sidecar:
        registry.on(PAGE, json_page(link))
        assert sidecar.get(PAGE).status == 200


def test_no_long_link_is_parsed() -> None:
    """`urlsplit` caches what it has parsed: 45 links of 240 KB took 200 MiB, for good."""
    rewriter = PageRewriter(PageLinks(LAYOUT, ALL, ALL, "http://127.0.0.1:1"), is_json=False)
    before = urlsplit.cache_info().currsize
    for number in range(3):
        rewriter.feed(f"<a href='https:{number}&#128512;{'x' * 9000}'>x</a>".encode())
    rewriter.finish()
    assert urlsplit.cache_info().currsize <= before


@PAGES
def test_a_long_link_with_the_credential_is_not_shown(
    registry: Registry, sidecar: Sidecar, page: Page
) -> None:
    registry.on(PAGE, page(f"https://robot:{PASSWORD}@elsewhere.example/{'x' * 9000}/foo-1.zip"))
    assert sidecar.get(PAGE).status == 200  # every answer is searched for it


def test_a_location_that_is_too_long_is_not_followed(registry: Registry, sidecar: Sidecar) -> None:
    registry.on(PAGE, lambda call: call.reply(302, b"", {"Location": "/" + "x" * 9000}))
    assert sidecar.get(PAGE).status == 502


@pytest.mark.parametrize("where", ["body", "header"])
def test_an_upload_is_told_as_the_registry_tells_it(registry: Registry, sidecar: Sidecar, where: str) -> None:
    """twine would send it again."""
    body, headers = (MANY_DIGITS.encode(), {}) if where == "body" else (b"", {"X-Note": MANY_DIGITS})
    registry.on("/upload/", lambda call: call.reply(200, body, headers))
    assert sidecar.upload(b"x").status == 200
    assert len(registry.requests) == 1

"""Links of index pages: led back through the proxy however the page is cut, and nothing else is touched."""

import json
from collections.abc import Iterator

import pytest

from sidecar.errors import UpstreamBroken
from sidecar.links.rewriting import CARRY_LIMIT, PageLinks, PageRewriter, page_kind
from sidecar.rules.layout import Layout
from support.pages.index_pages import (  # fmt: skip
    ASKED,
    FOREIGN,
    FOREIGN_MOVED,
    GRANT,
    LOCAL,
    MOVED,
    OWN_LINKS,
    RELATIVE,
    UNDECLARED,
    links,
    rewrite,
    rewrite_html,
    rewrite_json,
)


@pytest.mark.parametrize(("link", "expected"), [*OWN_LINKS.items(), *FOREIGN.items()])
@pytest.mark.parametrize("final", [ASKED, MOVED, FOREIGN_MOVED], ids=["unmoved", "moved", "moved to files"])
def test_an_absolute_link_to_a_declared_origin_leads_back_here(link: str, expected: str, final: str) -> None:
    assert links(final).rewrite(link) == expected
    assert rewrite_html(f'<a href="{link}">', final) == f'<a href="{expected}">'
    assert json.loads(rewrite_json(json.dumps({"url": link}), final)) == {"url": expected}


@pytest.mark.parametrize("link", UNDECLARED)
@pytest.mark.parametrize("final", [ASKED, MOVED], ids=["unmoved", "moved"])
def test_a_link_to_anywhere_else_stays_as_it_is(link: str, final: str) -> None:
    page = f'<a href="{link}">'
    assert rewrite_html(page, final) == page
    assert rewrite_json(json.dumps({"url": link}), final) == json.dumps({"url": link})


IDN = "https://b\u00fccher.example/"


@pytest.mark.parametrize("declared", [IDN, "https://xn--bcher-kva.example/", "https://B\u00dcCHER.example/"])
@pytest.mark.parametrize(
    "host", ["b\u00fccher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.example:443"]
)
def test_a_host_beyond_ascii_is_the_same_in_each_of_its_spellings(declared: str, host: str) -> None:
    grant = GRANT._replace(index_url=declared + "simple/")
    there = PageLinks(Layout.of(grant), IDN, IDN, LOCAL)
    assert there.rewrite(f"https://{host}/a%2B.whl") == "/a%2B.whl"
    for spelled in (host, host.replace("\u00fc", "&uuml;")):
        rewriter = PageRewriter(there, is_json=False)
        page = f'<a href="https://{spelled}/\u00e0"><a class=x href="https://{spelled}/b">'
        assert (
            rewriter.feed(page.encode()) + rewriter.finish()
        ).decode() == '<a href="/\u00e0"><a class=x href="/b">'
    rewriter = PageRewriter(there, is_json=True)
    page = json.dumps({"url": f"https://{host}/a"}, ensure_ascii=False)
    assert rewriter.feed(page.encode()) + rewriter.finish() == b'{"url": "/a"}'


def test_an_undeclared_link_without_scheme_stays_with_its_own_host() -> None:
    """Over loopback it would be asked for in http, without TLS."""
    assert links().rewrite("//pypi.org/a-1.whl") == "https://pypi.org/a-1.whl"


@pytest.mark.parametrize("link", RELATIVE)
def test_a_relative_link_needs_nothing_where_the_page_was_asked_for(link: str) -> None:
    assert rewrite_html(f'<a href="{link}">') == f'<a href="{link}">'
    assert rewrite_json(f'{{"url": "{link}"}}') == f'{{"url": "{link}"}}'


@pytest.mark.parametrize(("link", "expected"), RELATIVE.items())
def test_a_relative_link_of_a_moved_page_is_resolved_where_it_was_found(link: str, expected: str) -> None:
    assert rewrite_html(f'<a href="{link}">', MOVED) == f'<a href="{expected}">'
    assert rewrite_json(f'{{"url": "{link}"}}', MOVED) == f'{{"url": "{expected}"}}'


def test_a_relative_link_of_a_page_that_moved_to_a_declared_origin_follows_it() -> None:
    page = rewrite_html('<a href="a-1.whl"><a href="/p/b-1.whl">', FOREIGN_MOVED)
    assert (
        page == '<a href="/_o/files.example/mirror/requests/a-1.whl"><a href="/_o/files.example/p/b-1.whl">'
    )


def _endless(piece: bytes) -> Iterator[bytes]:
    for _ in range(CARRY_LIMIT // len(piece) + 1):
        yield piece


@pytest.mark.parametrize("is_json", [True, False], ids=["json", "html"])
def test_a_page_without_a_place_to_cut_ends_as_the_registrys_fault_not_in_memory(is_json: bool) -> None:
    rewriter = PageRewriter(links(), is_json=is_json)
    rewriter.feed(b'<a title="')
    with pytest.raises(UpstreamBroken, match="no end of a link in 256 KiB"):
        sum(len(rewriter.feed(piece)) for piece in _endless(b"a" * 65536))


VERSIONS = ", ".join(f'"1.{number}.dev20260101"' for number in range(60_000))


def test_a_long_list_without_a_brace_passes() -> None:
    """PEP 700 `versions`: of a project that is built every hour, for years."""
    page = f'{{"versions": [{VERSIONS}], "files": [{{"url": "https://registry.example/f/a-1.zip"}}]}}'
    assert len(page) > 4 * CARRY_LIMIT
    for size in (1000, 65536, len(page)):
        found = rewrite(page.encode(), is_json=True, cuts=list(range(0, len(page), size)))
        assert found.decode() == page.replace("https://registry.example", "")


def test_a_long_list_is_cut_in_no_link() -> None:
    """A quote and a comma can stand in a text too."""
    page = f'{{"versions": [{VERSIONS[: CARRY_LIMIT // 2]}"], "url": "a\\",b-1.zip"}}'.encode()
    whole = rewrite(page, is_json=True, final=MOVED)
    assert b'"/elsewhere/simple/requests/a' in whole
    for cut in range(len(page) - 40, len(page)):
        assert rewrite(page, is_json=True, final=MOVED, cuts=[1, cut]) == whole


@pytest.mark.parametrize("is_json", [True, False], ids=["json", "html"])
def test_a_page_with_links_may_be_longer_than_what_is_held_back(is_json: bool) -> None:
    piece = (b'{"a": "' + b"a" * 65536 + b'"},') if is_json else b"<p>" + b"a" * 65536
    rewriter = PageRewriter(links(), is_json=is_json)
    assert sum(len(rewriter.feed(one)) for one in _endless(piece)) > CARRY_LIMIT - 2 * len(piece)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (b"text/html", "html"),
        (b"Text/HTML; charset=UTF-8", "html"),
        (b"application/vnd.pypi.simple.v1+html", "html"),
        (b"application/vnd.pypi.simple.v1+json ; x=y", "json"),
        (b"application/json", None),
        (b"application/vnd.pypi.simple.v2+json", None),
        (b"text/plain", None),
        (b"text/html; charset=windows-1252", "html"),
        (b'text/html; charset="UTF-16LE"', None),
        (b"text/html;charset = utf-32", None),
        (b"application/octet-stream", None),
        (b"\xff", None),
        (b"", None),
        (None, None),
    ],
)
def test_only_the_three_types_of_a_simple_index_are_rewritten(
    content_type: bytes | None, kind: str | None
) -> None:
    assert page_kind(content_type) == kind


def test_an_attribute_just_below_the_limit_is_no_fault() -> None:
    rewriter = PageRewriter(links(), is_json=False)
    rewriter.feed(b'<p title="' + b"a" * (CARRY_LIMIT // 8 * 5))
    page = b"a" * (CARRY_LIMIT // 4) + b'">' + b'<p class="x">' * 300_000
    pieces = [page[start : start + 65536] for start in range(0, len(page), 65536)]
    assert sum(len(rewriter.feed(piece)) for piece in pieces) > CARRY_LIMIT

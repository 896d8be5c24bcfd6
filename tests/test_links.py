"""Links of index pages: led back through the proxy however the page is cut, and nothing else is touched."""

import html
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import urljoin

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.contract import Grant
from sidecar.errors import UpstreamBroken
from sidecar.links import CARRY_LIMIT, PageLinks, PageRewriter, page_kind
from sidecar.routes import Layout

OWN = "https://registry.example"
LOCAL = "http://127.0.0.1:28100"
ASKED = OWN + "/repository/pypi/simple/requests/"
MOVED = OWN + "/elsewhere/simple/requests/index.html"
FOREIGN_MOVED = "https://files.example/mirror/requests/"
LAYOUT = Layout.of(
    Grant(
        version="1",
        index_url=OWN + "/repository/pypi/simple/",
        upload_url=None,
        file_origins=("https://files.example", "http://mirror.example:8080"),
        ca=None,
        credential=None,
        soft_seconds=1.0,
        hard_seconds=1.0,
        broker_ca=(),
    )
)


def links(final: str = ASKED) -> PageLinks:
    return PageLinks(LAYOUT, ASKED, final, LOCAL)


def rewrite(
    page: bytes, *, is_json: bool = False, final: str = ASKED, cuts: list[int] | None = None
) -> bytes:
    rewriter = PageRewriter(links(final), is_json=is_json)
    edges = [0, *sorted(min(cut, len(page)) for cut in cuts or []), len(page)]
    return b"".join(rewriter.feed(page[start:end]) for start, end in pairwise(edges)) + rewriter.finish()


def rewrite_html(page: str, final: str = ASKED) -> str:
    return rewrite(page.encode(), final=final).decode()


def rewrite_json(page: str, final: str = ASKED) -> str:
    return rewrite(page.encode(), is_json=True, final=final).decode()


FOREIGN = {
    "https://files.example/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "https://files.example:443/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "https://FILES.Example/p/a-1.whl": "/_o/files.example/p/a-1.whl",
    "http://mirror.example:8080/p/a-1.whl": "/_o/mirror.example:8080/p/a-1.whl",
    "//files.example/p/a-1.whl": "/_o/files.example/p/a-1.whl",
}
UNDECLARED = [
    "https://pypi.org/p/a-1.whl",
    "https://files.example:8443/p/a-1.whl",
    "http://files.example/p/a-1.whl",
    "http://registry.example/p/a-1.whl",
    "https://registry.example:8443/p/a-1.whl",
    "https://registry.example.evil.example/p/a-1.whl",
    "https://registry.example@evil.example/p/a-1.whl",
    "https://mirror.example:8080/p/a-1.whl",
    "ftp://registry.example/p/a-1.whl",
    "mailto:somebody@registry.example",
    "javascript:void(0)",
    "data:text/plain,https://registry.example/",
    "https://registry.example:port/p",
    "https://[broken/p",
    "",
    "#fragment",
]
OWN_LINKS = {
    OWN + "/p/a-1.whl": "/p/a-1.whl",
    OWN + "/p/a-1.whl#sha256=ab12": "/p/a-1.whl#sha256=ab12",
    OWN + "/p/a-1%2Bcpu.whl?x=1%2F2#sha256=ab": "/p/a-1%2Bcpu.whl?x=1%2F2#sha256=ab",
    OWN + "/": "/",
    OWN: "/",
    OWN + "?q": "/?q",
    OWN + "#f": "/#f",
    "HTTPS://Registry.EXAMPLE/p/A-1.whl": "/p/A-1.whl",
    OWN + ":443/p/a-1.whl": "/p/a-1.whl",
    "https://user:secret@registry.example/p/a-1.whl": "/p/a-1.whl",
    "//registry.example/p/a-1.whl": "/p/a-1.whl",
    OWN + "//evil.example/a-1.whl": LOCAL + "//evil.example/a-1.whl",
    "https://registry.example:443//evil.example/a": LOCAL + "//evil.example/a",
    "https://files.example//evil.example/a": "/_o/files.example//evil.example/a",
}
RELATIVE = {  # link → where it leads from a page that has moved to `MOVED`
    "a-1.whl": "/elsewhere/simple/requests/a-1.whl",
    "./a-1.whl#sha256=ab": "/elsewhere/simple/requests/a-1.whl#sha256=ab",
    "../../packages/a-1.whl": "/elsewhere/packages/a-1.whl",
    "../../../../../a-1.whl": "/a-1.whl",
    "/root/pypi/+f/a-1.whl": "/root/pypi/+f/a-1.whl",
    "?page=2": "/elsewhere/simple/requests/index.html?page=2",
}


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


DATA = (
    f'data-requires-python="&gt;=3.8,&lt;4" data-yanked="see {OWN}/why" data-dist-info-metadata="sha256=ab" '
    'data-core-metadata="sha256=ab" data-gpg-sig="true"'
)
HTML = {
    "single quotes": (f"<a href='{OWN}/a'>", "<a href='/a'>"),
    "no quotes": (f"<a href={OWN}/a>", "<a href=/a>"),
    "no quotes and a digest": (f"<a href={OWN}/a#sha256=ab12>a</a>", "<a href=/a#sha256=ab12>a</a>"),
    "no quotes and a query": (f"<a href={OWN}/a?b=c&amp;d=e class=x>", "<a href=/a?b=c&amp;d=e class=x>"),
    "no quotes, then a slash": (f"<link href={OWN}/a />", "<link href=/a />"),
    "capitals": (f'<A HREF="{OWN}/a">', '<A HREF="/a">'),
    "blanks around the sign": (f'<a href \n=\t"{OWN}/a">', '<a href \n=\t"/a">'),
    "blanks around the link": (f'<a href=" {OWN}/a\n">', '<a href="/a">'),
    "after a line feed": (f'<a\nhref="{OWN}/a">', '<a\nhref="/a">'),
    "after another attribute": (f'<a class="x"href="{OWN}/a">', '<a class="x"href="/a">'),
    "after a slash": (f'<a/href="{OWN}/a">', '<a/href="/a">'),
    "quotes in the other quotes": (f"<a title='\"' href=\"{OWN}/a'b\">", "<a title='\"' href=\"/a'b\">"),
    "entities": (
        f'<a href="{OWN}/a?x=1&amp;y=2#sha256=ab">',
        '<a href="/a?x=1&amp;y=2#sha256=ab">',
    ),
    "entities in the host": ('<a href="https&#58;//registry&#46;example&#x2F;a">', '<a href="/a">'),
    "an entity that stands for a letter": (f'<a href="{OWN}/&eacute;&euro;">', '<a href="/&#233;&#8364;">'),
    "UTF-8 in a link": ('<a href="//registry.example/à">', '<a href="/à">'),
    "data attributes": (
        f'<a href="{OWN}/a.whl" {DATA}>a.whl</a>',
        f'<a href="/a.whl" {DATA}>a.whl</a>',
    ),
    "an attribute that ends in href": (f'<a data-href="{OWN}/a" xhref="{OWN}/b">',) * 2,
    "text": (f"<p>{OWN}/a href is no attribute here: {OWN}/b</p>",) * 2,
    "PEP 708 tracks": (
        f'<meta name="pypi:tracks" content="{OWN}/a/"><meta name="pypi:alternate-locations" content="/">',
    )
    * 2,
    "provenance": (
        f'<a href="{OWN}/a.whl" data-provenance="{OWN}/a.whl.provenance">',
        f'<a href="/a.whl" data-provenance="{LOCAL}/a.whl.provenance">',
    ),
    "provenance, relative": (
        '<a href="a.whl" data-provenance="a.whl.provenance">',
        f'<a href="a.whl" data-provenance="{LOCAL}/repository/pypi/simple/requests/a.whl.provenance">',
    ),
    "provenance of files": (
        '<a data-provenance="https://files.example/a.provenance">',
        f'<a data-provenance="{LOCAL}/_o/files.example/a.provenance">',
    ),
    "provenance elsewhere": ('<a data-provenance="https://pypi.org/integrity/a">',) * 2,
    "empty": ("",) * 2,
    "no link": ("<!DOCTYPE html><html><body>é\r\n\x00</body></html>",) * 2,
    "a link without its end": (f'<a href="{OWN}/a',) * 2,
    "a link that never ends before a tag": (f'<a href="{OWN}/a<b>',) * 2,
    "an empty link": ('<a href="">', '<a href="">'),
}


@pytest.mark.parametrize(("page", "expected"), HTML.values(), ids=HTML.keys())
def test_an_attribute_is_replaced_and_all_else_stays(page: str, expected: str) -> None:
    assert rewrite_html(page) == expected


class Anchors(HTMLParser):
    """What a client makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(dict(attrs))


@pytest.mark.parametrize("final", [ASKED, MOVED], ids=["unmoved", "moved"])
@pytest.mark.parametrize(
    "text", ["see href={}/x", "see href='{}/x'", "x href={}/x#a=b", " href={}/x", "href=x", "{}/x"]
)
def test_the_text_href_inside_another_attribute_breaks_no_tag(text: str, final: str) -> None:
    """Regression: an unquoted link got quotes, which ended the attribute that it stood in."""
    page = f'<a title="{text.format(OWN)}" href="{OWN}/a" data-yanked="why">'
    (found,) = Anchors(rewrite_html(page, final)).found
    assert list(found) == ["title", "href", "data-yanked"]
    assert (found["href"], found["data-yanked"]) == ("/a", "why")


BASES = {  # base → the link `x/a-1.whl` as a client resolves it, on an unmoved and on a moved page
    OWN + "/base/": "/base/x/a-1.whl",
    "//registry.example/base/index.html": "/base/x/a-1.whl",
    "https://files.example/base/": "/_o/files.example/base/x/a-1.whl",
    "/base/": "/base/x/a-1.whl",
}


@pytest.mark.parametrize(("base", "expected"), BASES.items())
@pytest.mark.parametrize("final", [ASKED, MOVED], ids=["unmoved", "moved"])
def test_a_base_leads_back_here_and_relative_links_with_it(base: str, expected: str, final: str) -> None:
    page = rewrite_html(f'<head><BASE href="{base}"></head><a href="x/a-1.whl">', final)
    _, shown_base, anchor = Anchors(page).found
    client = urljoin(LOCAL + "/repository/pypi/simple/requests/", str(shown_base["href"]))
    assert urljoin(client, str(anchor["href"])) == LOCAL + expected


def test_a_relative_base_of_a_moved_page_is_resolved_where_the_page_was_found() -> None:
    page = rewrite_html('<base href="../other/"><a href="a-1.whl">', MOVED)
    assert [tag["href"] for tag in Anchors(page).found] == [
        "/elsewhere/simple/other/",
        "/elsewhere/simple/other/a-1.whl",
    ]


JSON = {
    "a file": (f'{{"files":[{{"url":"{OWN}/a.whl"}}]}}', '{"files":[{"url":"/a.whl"}]}'),
    "blanks around the colon": (f'{{"url"\n :\t"{OWN}/a"}}', '{"url"\n :\t"/a"}'),
    "escaped slashes": (r'{"url":"https:\/\/registry.example\/p\/a.whl"}', '{"url":"/p/a.whl"}'),
    "slashes by number": (
        r'{"url":"https:\u002f\u002fregistry.example\u002Fp\u002fa.whl"}',
        '{"url":"/p/a.whl"}',
    ),
    "a letter by number": (r'{"url":"https://regis\u0074ry.example/a"}', '{"url":"/a"}'),
    "escaped slashes elsewhere": (r'{"url":"https:\/\/pypi.org\/a"}',) * 2,
    "a relative link with escapes": (r'{"url":"..\/a.whl"}',) * 2,
    "a quote": (r'{"url":"https://registry.example/\"a"}', r'{"url":"/\"a"}'),
    "beyond ASCII": ('{"url":"https://registry.example/é"}', '{"url":"/é"}'),
    "provenance": (
        f'{{"provenance":"{OWN}/a.provenance"}}',
        f'{{"provenance":"{LOCAL}/a.provenance"}}',
    ),
    "provenance, relative": (
        '{"provenance":"a.provenance"}',
        f'{{"provenance":"{LOCAL}/repository/pypi/simple/requests/a.provenance"}}',
    ),
    "no provenance": ('{"provenance":null,"url":null,"x":{"url":7}}',) * 2,
    "PEP 708": (f'{{"meta":{{"tracks":["{OWN}/simple/a/"]}},"alternate-locations":["{OWN}/b/"]}}',) * 2,
    "unknown keys in their order": (
        f'{{"zz": 1.50, "url": "{OWN}/a", "_": {{"b": [], "a": "{OWN}/c"}}, "zz": 1e3, "home_url": "{OWN}"}}',
        f'{{"zz": 1.50, "url": "/a", "_": {{"b": [], "a": "{OWN}/c"}}, "zz": 1e3, "home_url": "{OWN}"}}',
    ),
    "the key inside a text": (rf'{{"x": "\"url\": \"{OWN}/a\""}}',) * 2,
    "the key as a value": (f'{{"x": "url", "y": "{OWN}/a"}}',) * 2,
    "cut off": (f'{{"url":"{OWN}/a',) * 2,
    "broken escape": (r'{"url":"https:\x2f\x2fregistry.example"}',) * 2,
    "empty": ("",) * 2,
}


@pytest.mark.parametrize(("page", "expected"), JSON.values(), ids=JSON.keys())
def test_a_value_is_replaced_and_all_else_stays(page: str, expected: str) -> None:
    assert rewrite_json(page) == expected


def test_invalid_utf_8_passes() -> None:
    assert rewrite(b'<a href="https://registry.example/\xff">\xfe') == b'<a href="/\xff">\xfe'
    assert rewrite(b'{"url":"https:\\/\\/x/\xff","y":"\xfe"}', is_json=True) == (
        b'{"url":"https:\\/\\/x/\xff","y":"\xfe"}'
    )


def _pieces(alphabet: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(st.sampled_from(alphabet), st.text(max_size=3)), max_size=30).map("".join)


_LINKS = st.sampled_from(
    [*OWN_LINKS, *FOREIGN, *UNDECLARED, *RELATIVE, OWN + "/ünï/€", OWN + "/a{b}c", OWN + "/\"'<>&"]
)
_FINALS = st.sampled_from([ASKED, MOVED, FOREIGN_MOVED])
_CUTS = st.lists(st.integers(0, 600), max_size=8)

_HTML_SCRAPS = _pieces(
    ["<", ">", '"', "'", "=", " ", "\n", "<a ", "<base ", "href",
     "HREF=", "data-provenance=", "&amp;", "&#x2f;",
     OWN, OWN + "/a", "//files.example/b", "é"]
)  # fmt: skip
_JSON_SCRAPS = _pieces(
    ["{", "}", "[", "]", '"', "\\", "\\\\", ":", ",", " ",
     '"url"', '"url":"', '"provenance":"', "\\u002f", "\\/",
     OWN, OWN + "/a", '"}', "é"]
)  # fmt: skip


@st.composite
def _html_pages(draw: st.DrawFn) -> str:
    page = "<!DOCTYPE html><head><meta name='pypi:repository-version' content='1.1'>"
    if draw(st.booleans()):
        page += f'<base href="{html.escape(draw(_LINKS))}">'
    for link in draw(st.lists(_LINKS, max_size=6)):
        quote = draw(st.sampled_from(['"', "'"]))
        why = draw(st.text("ab<&é= ", max_size=4))
        page += f"<a href={quote}{html.escape(link)}{quote} data-yanked='{why}'>x</a>\n"
    return page


@st.composite
def _json_pages(draw: st.DrawFn) -> str:
    files = [
        {
            "filename": "a",
            "url": link,
            "hashes": {"x{": "}"},
            draw(st.text(max_size=3)): draw(st.text(max_size=3)),
        }
        for link in draw(st.lists(_LINKS, max_size=6))
    ]
    page = {"meta": {"api-version": "1.1"}, "files": files}
    return json.dumps(page, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))


@settings(max_examples=300, deadline=None)
@given(page=st.one_of(_html_pages(), _HTML_SCRAPS), final=_FINALS, cuts=_CUTS)
@example(page=f'<base href="/b/"><a href="{OWN}/é">', final=MOVED, cuts=[1, 2, 3, 20, 30, 40])
@example(page=f'<a href="{OWN}/a>b"><a href="{OWN}/c=d">', final=ASKED, cuts=[])
def test_an_html_page_comes_out_the_same_however_it_is_cut(page: str, final: str, cuts: list[int]) -> None:
    octets = page.encode("utf-8", "surrogatepass")
    whole = rewrite(octets, final=final)
    assert rewrite(octets, final=final, cuts=cuts) == whole
    assert rewrite(octets, final=final, cuts=list(range(len(octets)))) == whole


@settings(max_examples=300, deadline=None)
@given(page=st.one_of(_json_pages(), _JSON_SCRAPS), final=_FINALS, cuts=_CUTS)
@example(page='{"url":"\\}"url":"https://registry.example/x"}', final=ASKED, cuts=[])
@example(page='{"url":"https:\\/\\/registry.example/\\}a","url":"b"}', final=MOVED, cuts=[])
def test_a_json_page_comes_out_the_same_however_it_is_cut(page: str, final: str, cuts: list[int]) -> None:
    octets = page.encode("utf-8", "surrogatepass")
    whole = rewrite(octets, is_json=True, final=final)
    assert rewrite(octets, is_json=True, final=final, cuts=cuts) == whole
    assert rewrite(octets, is_json=True, final=final, cuts=list(range(len(octets)))) == whole


@settings(max_examples=200, deadline=None)
@given(page=_json_pages(), final=_FINALS)
def test_a_json_page_keeps_its_shape_and_all_that_is_no_link(page: str, final: str) -> None:
    before, after = json.loads(page), json.loads(rewrite_json(page, final))
    for old, new in zip(before["files"], after["files"], strict=True):
        assert list(old) == list(new)
        assert {key: value for key, value in old.items() if key != "url"} == {
            key: value for key, value in new.items() if key != "url"
        }
    assert {**before, "files": []} == {**after, "files": []}


@settings(max_examples=200, deadline=None)
@given(page=_html_pages(), final=_FINALS)
def test_an_html_page_keeps_its_tags_and_all_that_is_no_link(page: str, final: str) -> None:
    before, after = Anchors(page).found, Anchors(rewrite_html(page, final)).found
    for old, new in zip(before, after, strict=True):
        assert list(old) == list(new)
        assert {**old, "href": ""} == {**new, "href": ""}


def _endless(piece: bytes) -> Iterator[bytes]:
    for _ in range(CARRY_LIMIT // len(piece) + 1):
        yield piece


@pytest.mark.parametrize("is_json", [True, False], ids=["json", "html"])
def test_a_page_without_a_place_to_cut_ends_as_the_registrys_fault_not_in_memory(is_json: bool) -> None:
    rewriter = PageRewriter(links(), is_json=is_json)
    with pytest.raises(UpstreamBroken, match="no end of a link in 4 MiB"):
        sum(len(rewriter.feed(piece)) for piece in _endless(b"a" * 65536))


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

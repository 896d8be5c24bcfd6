"""Links of HTML pages: each attribute that is one is replaced, and all else stays octet by octet."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from support.pages.index_pages import ASKED, FOREIGN_MOVED, LOCAL, MOVED, OWN, rewrite, rewrite_html

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
    "blanks around the link": (f'<a href=" {OWN}/a\n">', '<a href="/a\n">'),
    "after a line feed": (f'<a\nhref="{OWN}/a">', '<a\nhref="/a">'),
    "after another attribute": (f'<a class="x"href="{OWN}/a">', '<a class="x"href="/a">'),
    "after a slash": (f'<a/href="{OWN}/a">', '<a/href="/a">'),
    "quotes in the other quotes": (f"<a title='\"' href=\"{OWN}/a'b\">", "<a title='\"' href=\"/a'b\">"),
    "entities": (
        f'<a href="{OWN}/a?x=1&amp;y=2&copy=3&#x26;z#sha256=ab">',
        '<a href="/a?x=1&amp;y=2&copy=3&#x26;z#sha256=ab">',
    ),
    "entities, and a host in capitals": (
        '<a href="https://Registry.example:443/a%2fB?x=1&amp;y=2&copy=3#a?#">',
        '<a href="/a%2fB?x=1&amp;y=2&copy=3#a?#">',
    ),
    "an entity that would be a second slash": (
        f'<a href="{OWN}/&#47;evil.example/a">',
        f'<a href="{LOCAL}//evil.example/a">',
    ),
    "a backslash that would be a second slash": (
        f'<a href="{OWN}/\\evil.example/a">',
        f'<a href="{LOCAL}/\\evil.example/a">',
    ),
    "a tab that clients drop": (f'<a href="{OWN}/\t/evil.example/a">', f'<a href="{LOCAL}//evil.example/a">'),
    "entities in the host": ('<a href="https&#58;//registry&#46;example&#x2F;a">', '<a href="/a">'),
    "an entity that stands for a letter": (f'<a href="{OWN}/&eacute;&euro;">', '<a href="/&#233;&#8364;">'),
    "UTF-8 in a link": ('<a href="//registry.example/à">', '<a href="/à">'),
    "data attributes": (
        f'<a href="{OWN}/a.whl" {DATA}>a.whl</a>',
        f'<a href="/a.whl" {DATA}>a.whl</a>',
    ),
    "an attribute that ends in href": (f'<a data-href="{OWN}/a" xhref="{OWN}/b">',) * 2,
    "an attribute that begins with href": (f'<a hreflang="{OWN}/a" href-x="{OWN}/b">',) * 2,
    "text": (f'<p>{OWN}/a href="{OWN}/b" data-provenance="{OWN}/c"</p>',) * 2,
    "a comment": (
        f'<!-- <a href="{OWN}/a"> --><!--><a href="{OWN}/b">',
        f'<!-- <a href="{OWN}/a"> --><!--><a href="/b">',
    ),
    "a tag in double quotes": (
        f"""<a title="<a href='{OWN}/b'>" href='{OWN}/a'>""",
        f"""<a title="<a href='{OWN}/b'>" href='/a'>""",
    ),
    "a tag in single quotes": (
        f"""<a title='<a href="{OWN}/b">' href="{OWN}/a">""",
        f"""<a title='<a href="{OWN}/b">' href="/a">""",
    ),
    "a less-than sign in an attribute": (
        f'<a title="a < b <" href="{OWN}/a<b">',
        '<a title="a < b <" href="/a<b">',
    ),
    "a greater-than sign in an attribute": (
        f'<a data-requires-python=">=3" href="{OWN}/a">',
        '<a data-requires-python=">=3" href="/a">',
    ),
    "an apostrophe without quotes": (f'<a title=it\'s href="{OWN}/a">', '<a title=it\'s href="/a">'),
    "an attribute without value": (
        f'<a download href="{OWN}/a" data-yanked>',
        '<a download href="/a" data-yanked>',
    ),
    "a sign too many": (f'<a href=="{OWN}/a">', '<a href=="/a">'),
    "no blank after a link": (
        f'<a data-provenance="https://pypi.org/a"href="{OWN}/a">',
        '<a data-provenance="https://pypi.org/a"href="/a">',
    ),
    "a value without a name": (f'<a ="x>y" href="{OWN}/a">',) * 2,
    "no quotes where some are needed": ("<a href=https&#58;//registry.example/a&#32;b>", '<a href="/a b">'),
    "a comment that ends oddly": (f'<!-- --!><a class=x href="{OWN}/a">', '<!-- --!><a class=x href="/a">'),
    "a forgotten quote": (
        f'<a title="x><a href="{OWN}/a"><A HREF="{OWN}/b">',
        '<a title="x><a href="/a"><A HREF="/b">',
    ),
    "a forgotten end": (f'<a href="{OWN}/a"<a href="{OWN}/b">', '<a href="/a"<a href="/b">'),
    "a script": (
        f'<script>if (a<b && c=="x") go("{OWN}/a")</script><a class=x href="{OWN}/a">',
        f'<script>if (a<b && c=="x") go("{OWN}/a")</script><a class=x href="/a">',
    ),
    "a less-than sign in text": (f'a < b <3 <a class=x href="{OWN}/a">', 'a < b <3 <a class=x href="/a">'),
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
    "a comment without its end": (f'<!-- <a href="{OWN}/a">',) * 2,
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
    assert found == {"title": text.format(OWN), "href": "/a", "data-yanked": "why"}


BASES = {  # base → where the links `x/a-1.whl`, `/b-1.whl` and `../c-1.whl` below it lead
    OWN + "/base/": ["/base/x/a-1.whl", "/b-1.whl", "/c-1.whl"],
    OWN: ["/x/a-1.whl", "/b-1.whl", "/c-1.whl"],
    "HTTPS://Registry.example:443/base/?a=b": ["/base/x/a-1.whl", "/b-1.whl", "/c-1.whl"],
    "http://registry.example/base/": ["/base/x/a-1.whl", "/b-1.whl", "/c-1.whl"],
    "//registry.example/base/index.html": ["/base/x/a-1.whl", "/b-1.whl", "/c-1.whl"],
    "https://files.example/": [f"/_o/files.example/{name}" for name in ("x/a-1.whl", "b-1.whl", "c-1.whl")],
    "https://files.example/b/": [
        f"/_o/files.example/{name}" for name in ("b/x/a-1.whl", "b-1.whl", "c-1.whl")
    ],
}


@pytest.mark.parametrize(("base", "expected"), BASES.items())
@pytest.mark.parametrize("final", [ASKED, MOVED, FOREIGN_MOVED], ids=["unmoved", "moved", "moved to files"])
def test_a_base_leads_back_here_and_relative_links_with_it(
    base: str, expected: list[str], final: str
) -> None:
    """Regression: pip and uv take a base as it stands, so a path alone left them without a host."""
    anchors = "".join(f'<a href="{link}">' for link in ("x/a-1.whl", "/b-1.whl", "../c-1.whl"))
    page = rewrite_html(f'<head><BASE href="{base}"></head>{anchors}', final)
    _, shown_base, *shown = Anchors(page).found
    assert str(shown_base["href"]).startswith(LOCAL + "/")
    assert [urljoin(str(shown_base["href"]), str(one["href"])) for one in shown] == [
        LOCAL + path for path in expected
    ]


def test_the_base_of_another_host_stays_and_relative_links_with_it() -> None:
    """Regression: a link to the registry became a path, which the base led to the other host."""
    page = f'<base href="https://pypi.org/simple/"><a href="a-1.whl"><a href="/b-1.whl"><a href="{OWN}/c"><a>'
    for final in (ASKED, MOVED):
        assert rewrite_html(page, final) == page.replace(OWN, LOCAL)


def test_a_relative_base_stays_where_the_page_was_asked_for() -> None:
    page = '<base href="../"><a href="a-1.whl">'
    assert rewrite_html(page) == page


def test_a_relative_base_of_a_moved_page_is_resolved_where_the_page_was_found() -> None:
    page = rewrite_html('<base href="../other/"><a href="a-1.whl">', MOVED)
    assert [tag["href"] for tag in Anchors(page).found] == [
        LOCAL + "/elsewhere/simple/other/",
        "/elsewhere/simple/other/a-1.whl",
    ]


def test_of_two_bases_the_first_counts() -> None:
    page = '<base href="/one/"><base href="/two/"><a href="a-1.whl">'
    assert rewrite_html(page, MOVED).endswith('<a href="/one/a-1.whl">')


BETWEEN = [
    *(
        f'<a {name}="{OWN}/x">'
        for name in ("HREF", "Href", "hRef", "hrEf", "hreF", "data-href", "href ", "href=")
    ),
    *(f'<a {name}="{OWN}/x">' for name in ("data-provenance", "DATA-provenance", "data-ProVenance")),
    *(
        f'<a href="{link}">'
        for link in ("a", "/a", "//x/", "//pypi.org/", "https://pypi.org/", "HTTPS://pypi.org/")
    ),
    *(f'<a href="{OWN}{rest}">' for rest in ("", "//x/", "/&#47;x/", "/\\x/", ":443/", ":444/")),
    *(
        f'<a href="https://{host}/">'
        for host in ("files.example", "files.example:444", "xfiles.example", "registry", "files.example.")
    ),
    *(f'<a href="http://{host}/">' for host in ("files.example", "registry.example", "pypi.org")),
    f'<!-- <a href="{OWN}/x"> -->',
    f"<p title='<a href=\"{OWN}/x\">'>",
    f'<p title="<a href="{OWN}/x">',
    "a text with href in it",
]


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize(
    "usual",
    [
        OWN + "/a",
        "https://files.example/a",
        "http://registry.example/a",
        "http://files.example/a",
        "../a",
        "https://pypi.org/a",
    ],
)
@pytest.mark.parametrize("final", [ASKED, MOVED], ids=["unmoved", "moved"])
def test_links_that_are_replaced_all_at_once_are_as_if_replaced_one_by_one(
    between: str, usual: str, final: str
) -> None:
    """A comment with an apostrophe in it forbids the fast way."""
    page = f'<a href="{usual}">{between}<a href="{usual}"><a href="{usual}">'
    assert rewrite_html("<!--'-->" + page, final) == "<!--'-->" + rewrite_html(page, final)


@pytest.mark.parametrize("base", [*BASES, "https://pypi.org/b/"])
@pytest.mark.parametrize("link", ["a", "/a", OWN + "/a", "https://files.example/a"])
def test_a_base_counts_in_later_pieces_too(base: str, link: str) -> None:
    page = f'<base href="{base}"><a href="x"><a href="{link}"><a href="{link}"><p>'
    for piece_ends in ([page.index("<a")], [page.rindex("<a") - 10], [page.rindex("<a") + 9]):
        assert rewrite(page.encode(), cuts=piece_ends).decode() == rewrite_html(page)


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "windows-1251", "shift_jis", "gb18030", "euc-kr"])
def test_a_page_in_any_charset_that_contains_ascii_is_rewritten_octet_by_octet(charset: str) -> None:
    text = {"latin-1": "ünï", "windows-1251": "файл", "euc-kr": "파일"}.get(charset, "表示ソ能")
    page = f'<a href="{{}}/{text}" title="{text}">{text}</a>'
    assert rewrite(page.format(OWN).encode(charset)) == page.format("").encode(charset)


def test_octets_that_are_no_utf_8_pass() -> None:
    assert rewrite(b'<a href="https://registry.example/\xff">\xfe') == b'<a href="/\xff">\xfe'
    assert (
        rewrite(b'<a class=x href="b\xff">', final=MOVED)
        == b'<a class=x href="/elsewhere/simple/requests/b\xff">'
    )

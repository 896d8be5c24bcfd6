"""Pages of indexes and pages of other servers, as they are written."""

import gzip
import json
import time
import zlib

import pytest

from sidecar.contract.codings import CODINGS
from support.machine.times import assert_takes_less
from support.registries.kinds import INDEX_TYPES, kinds
from webhook.status.index_pages import DECODED_LIMIT, HTML_TYPE, JSON_TYPE, Verdict, judge
from webhook.status.redirects import leads_to_sign_in

ROOT = "https://registry.test/repository/team/simple/"
PROJECT = ROOT + "pypi-connector-probe/"
HTML = "text/html; charset=utf-8"


def verdict(page: str | bytes, kind: str = HTML, url: str = PROJECT, coding: str = "") -> str:
    body = page.encode() if isinstance(page, str) else page
    return judge(kind, coding, body, is_whole=True, url=url).kind


def head(title: str, rest: str = "") -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{rest}</body></html>"


# -- indexes

EACH_PAGE = [
    (name, file, form)
    for name, kind in kinds().items()
    for one in kind.answers
    for form, file in one.page.items()
]


@pytest.mark.parametrize(("name", "file", "form"), EACH_PAGE)
def test_each_page_of_each_kind_of_registry_is_of_an_index(name: str, file: str, form: str) -> None:
    text = kinds()[name].text(file)
    numbers = {"$wheel_size": "1", "$sdist_size": "1", "$metadata_size": "1"}
    for key, value in numbers.items():
        text = text.replace(key, value)
    assert verdict(text, INDEX_TYPES[form]) == "index"


NGINX = """<html><head><title>Index of /simple/</title></head><body>
<h1>Index of /simple/</h1><hr><pre><a href="../">../</a></pre><hr></body></html>"""
NGINX_PROJECTS = """<pre><a href="../">../</a>
<a href="flask/">flask/</a>   01-Jan-2026 00:00   -
<a href="a-very-long-name-of-a-package-that-is-cut/">a-very-long-name-of-a-package..&gt;</a></pre>"""
APACHE = """<table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td><a href="/repository/team/">Parent Directory</a></td></tr>
<tr><td><a href="flask/">flask/</a></td></tr></table>"""
CADDY = """<title>/simple/</title><script>let filter</script><input type=search>
<a href="/">/</a><a href="/repository/">repository</a><a href="./?sort=name&order=desc">Name</a>
<a href="./flask/"><svg><use xlink:href="#folder"></use></svg><span class="name">flask</span></a>"""
WAREHOUSE = '<meta name="pypi:repository-version" content="1.4"><h1>Links for x</h1><!--SERIAL 1-->'
DEVPI_FORM = '<form method="post"><input name="refresh" type="submit" value="Refresh"/></form>'

INDEXES = {
    "no project, pypiserver": (ROOT, head("Simple Index", "<h1>Simple Index</h1>")),
    "no file, pypiserver": (PROJECT, head("Links for x", "<h1>Links for x</h1>")),
    "no file, warehouse": (PROJECT, WAREHOUSE),
    "no title, PEP 629": (PROJECT, "<meta content='1.0' name='pypi:repository-version'/>"),
    "no project, Nexus": (ROOT, '<meta name="api-version" value="2"/>'),
    "no project, devpi": (ROOT, head("root/dev: simple list (including inherited indices)", DEVPI_FORM)),
    "a mirror's form, devpi": (PROJECT, head("root/pypi: links for x", DEVPI_FORM)),
    "nothing, nginx autoindex": (ROOT, NGINX),
    "projects, nginx autoindex": (ROOT, NGINX_PROJECTS),
    "projects, Apache": (ROOT, APACHE),
    "nothing, python -m http.server": (ROOT, head("Directory listing for /simple/", "<ul></ul>")),
    "projects, Caddy": (ROOT, CADDY),
    "projects, dir2pi": (ROOT, "<a href='flask/'>flask</a><br/><a href='Jinja2/'>Jinja2</a><br/>"),
    "projects, absolute": (ROOT, f'<a href="{ROOT}flask">Flask</a>'),
    "projects of other spellings": (ROOT, '<A HREF="zope.interface/">zope-interface</A>'),
    "a single wheel": (PROJECT, '<a href="x-1.0-py3-none-any.whl">x</a>'),
    "names in the text only": (PROJECT, '<a href="/blob/81ea">x-1.0.tar.gz</a>'),
    "a query behind the name": (PROJECT, "<a href='/get/x-1.0.tar.gz?sig=1#sha256=0'>get</a>"),
    "an encoded name": (PROJECT, '<a href="/f/x-1%2Bcu121-cp311-cp311-linux_x86_64.whl">get</a>'),
    "an unescaped requires-python": (PROJECT, '<a data-requires-python=">=3" href="x-1.0.zip">x-1.0.zip</a>'),
    "no quotes": (PROJECT, "<a href=x-1.0.tgz>x</a>"),
    "a byte order mark": (PROJECT, "\ufeff<title>Links for x</title>"),
    "a project called login": (PROJECT, head("Links for login", "<h1>Links for login</h1>")),
    "a link to a package of sign-ins": (PROJECT, head("", '<a href="login-1.0.zip">login-1.0.zip</a>')),
}


@pytest.mark.parametrize(("url", "page"), INDEXES.values(), ids=INDEXES.keys())
def test_a_page_of_an_index_is_known_by_what_it_says(url: str, page: str) -> None:
    assert verdict(page, url=url) == "index"


@pytest.mark.parametrize(
    "page",
    [
        "",
        " \n ",
        "<!DOCTYPE html>",
        "<html><head><title></title></head><body></body></html>",
        "<html><head><meta charset=utf-8><title>x</title></head><body><h1>x</h1></body></html>",
        "<!-- nothing --><html><body><br/><hr>&nbsp;</body></html>",
    ],
)
def test_a_page_that_shows_nothing_is_empty(page: str) -> None:
    assert verdict(page) == "empty"


# -- others

FOREIGN = {
    "sign-in page of a single-page application": (
        "<!doctype html><html><head><title>Sign in</title></head><body><div id=app></div></body></html>",
        "a sign-in page",
    ),
    "sign-in form": (
        head(
            "Team", '<form action="/login" method="post"><input name=u><input type="password" name=p></form>'
        ),
        "a sign-in page",
    ),
    "sign-in form that links a file": (
        head("Links for you", '<a href="app-1.0.zip">get the app</a><INPUT name=p TYPE=PASSWORD>'),
        "a sign-in page",
    ),
    "Nexus": (
        head("Sonatype Nexus Repository", '<div id="loading"></div><script src="static/bundle.js"></script>'),
        "a web application",
    ),
    "Artifactory": (
        head(
            "JFrog", "<noscript>enable JavaScript</noscript><jf-root></jf-root><script src=main.js></script>"
        ),
        "a web application",
    ),
    "links in a script": (
        head("App", "<div id=root></div><script>let page = '<a href=\"x-1.0.zip\">x-1.0.zip</a>'</script>"),
        "a web application",
    ),
    "a script that does not end": (
        "<title>App</title><script>'<a href=\"x-1.0.zip\">x-1.0.zip</a>'",
        "a web application",
    ),
    "links in a comment": (
        head("App", '<p>Hello</p><!-- <a href="x-1.0.zip">x-1.0.zip</a> -->'),
        "an HTML page without links to packages",
    ),
    "menu": (
        head(
            "PyPI · The Python Package Index",
            '<script src=a.js></script><a href="/help/">Help</a><a href="/sponsors/">Sponsors</a>'
            '<a href="/account/login/">Log in</a><a href="https://docs.test/">Docs</a>',
        ),
        "an HTML page without links to packages",
    ),
    "menu below this path": (
        head("Portal", '<a href="login">Login</a><a href="help/">Help</a>'),
        "an HTML page without links to packages",
    ),
    "web server": (head("Welcome to nginx!", "<h1>Welcome to nginx!</h1><p>Thank you</p>"), "an HTML page"),
    "It works": ("<html><body><h1>It works!</h1><p>OK</p></body></html>", "an HTML page"),
    "plain text": ("OK", "an HTML page"),
    "led elsewhere": ('<meta http-equiv="refresh" content="0; url=/ui/">', "an HTML page"),
    "frames": ('<iframe src="/ui/"></iframe>', "an HTML page"),
    "an archive without a version": ('<a href="/-/archive/main.zip">Download</a>', "an HTML page"),
    "company proxy": (head("Access denied", "<p>This site is blocked by policy</p>"), "an HTML page"),
    "catalogue": (head("Catalog index", "<p>Our blog index</p>"), "an HTML page"),
}


@pytest.mark.parametrize(("page", "what"), FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize("url", [ROOT, PROJECT, "https://registry.test/"])
def test_a_page_of_another_server_is_named(page: str, what: str, url: str) -> None:
    seen = judge(HTML, "", page.encode(), is_whole=True, url=url)
    assert seen.kind == "foreign"
    assert seen.what.startswith(what)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/xhtml+xml", ""])
def test_a_type_that_pip_does_not_read_is_foreign(kind: str) -> None:
    assert verdict('<a href="x-1.0.zip">x-1.0.zip</a>', kind) == "foreign"


# -- JSON


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({"meta": {"api-version": "1.0"}, "name": "x", "files": []}, "index"),
        ({"meta": {"api-version": "1.4"}, "projects": []}, "index"),
        ({"projects": [{"name": "x"}]}, "index"),
        ({}, "foreign"),
        ({"error": "unauthorized"}, "foreign"),
        ({"files": None}, "foreign"),
        ([], "foreign"),
        ("files", "foreign"),
    ],
)
def test_json_is_known_by_its_shape(page: object, expected: str) -> None:
    assert verdict(json.dumps(page), JSON_TYPE) == expected


def test_json_that_is_none_is_foreign() -> None:
    assert verdict("<html></html>", JSON_TYPE) == "foreign"
    assert verdict("[" * 60_000, JSON_TYPE) == "foreign"


def test_the_beginning_of_long_json_is_enough() -> None:
    long = json.dumps({"alternate-locations": [], "files": [{"filename": "x" * 100}] * 1000})
    assert judge(JSON_TYPE, "", long[:32768].encode(), is_whole=False, url=PROJECT).kind == "index"
    assert judge(JSON_TYPE, "", b"<html>", is_whole=False, url=PROJECT).kind == "foreign"


def test_the_type_of_html_of_an_index_is_enough_but_for_a_password() -> None:
    assert verdict("<p>no files</p>", HTML_TYPE) == "index"
    assert verdict("<input type=password>", HTML_TYPE) == "foreign"


# -- codings


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", " GZip ", "aws-chunked, gzip", "gzip,none"])
def test_a_page_in_gzip_is_read(coding: str) -> None:
    for page, expected in ((head("Links for x").encode(), "index"), (b"OK", "foreign")):
        assert verdict(gzip.compress(page), coding=coding) == expected


@pytest.mark.parametrize("coding", ["", "identity", "aws-chunked", "none", "UTF-8", "*", "n\u00e9ant"])
def test_a_token_that_names_no_coding_changes_no_byte(coding: str) -> None:
    assert verdict(head("Links for x"), coding=coding) == "index"
    assert verdict(head("Sign in"), coding=coding) == "foreign"


@pytest.mark.parametrize("coding", sorted(CODINGS - {b"gzip", b"x-gzip"}))
def test_a_page_in_a_coding_that_was_not_asked_for_is_served_to_nobody(coding: bytes) -> None:
    """The sidecar answers 502, though uv reads brotli: it could not rewrite the page's links."""
    name = coding.decode()
    seen = judge(HTML, f"None, {name.title()}", b"\x0b\x02\x80OK\x03", is_whole=True, url=PROJECT)
    assert seen == Verdict("packed", f"in a coding that was not asked for: {name}")


def test_several_codings_are_named_in_their_order() -> None:
    seen = judge(HTML, "gzip, br", b"", is_whole=True, url=PROJECT)
    assert seen == Verdict("packed", "in a coding that was not asked for: gzip, br")


def test_a_page_that_is_no_valid_gzip_is_served_to_nobody() -> None:
    for body in (b"no gzip", zlib.compress(b"<p>"), b"\x1f\x8b\x08\x00"[:3] + b"x" * 20):
        assert judge(HTML, "gzip", body, is_whole=True, url=PROJECT) == Verdict("packed", "no valid gzip")


def test_a_bomb_is_opened_to_its_limit_only() -> None:
    bomb = gzip.compress(b"<p>" + b"x" * 50_000_000)
    json_bomb = gzip.compress(b"{" + b" " * 50_000_000)
    assert len(bomb) > DECODED_LIMIT / 2
    assert verdict(bomb[:32768], coding="gzip") == "foreign"
    assert verdict(json_bomb, JSON_TYPE, coding="gzip") == "index"
    assert_takes_less(0.05, lambda: verdict(bomb[:32768], coding="gzip"))
    assert_takes_less(0.05, lambda: verdict(json_bomb, JSON_TYPE, coding="gzip"))


HOSTILE = ["<", "<a ", "<a href=x", "<a href=", "<a href='", "<a href=x>", '<a href="x/">x</a>', "</", ">"]
HOSTILE += ["<meta name ", "<meta ", "<input type ", "<!--", "<script", "<title>", "<h1", "&#1", "log-in "]
HOSTILE += ["x" * 999 + "<", "-1" * 9, "\u202e", "<a href=//[>"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_page_is_slow_to_judge(piece: str) -> None:
    """Authors of Connectors choose the server, and all probes share a loop."""
    body = (piece * 65536)[:65536].encode()
    packed = gzip.compress(body)
    assert_takes_less(
        0.25, lambda: judge(HTML, "gzip", packed, is_whole=False, url=PROJECT), time.process_time
    )


# -- redirects


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/login", True),
        ("/users/sign_in", True),
        ("https://sso.company.test/", True),
        ("https://idp.test/oauth2/authorize?x=1", True),
        ("/realms/x/protocol/openid-connect/auth", True),
        ("/saml/start", True),
        ("/simple/blog-index/", False),
        ("/simple/lessons/", False),
        ("/catalog-info/", False),
        ("/elsewhere/?next=/login", False),
        ("https://[", False),
    ],
)
def test_a_redirect_to_a_sign_in_page_is_known_by_its_words(location: str, expected: bool) -> None:
    assert leads_to_sign_in(location) == expected

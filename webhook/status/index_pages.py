"""Recognition of a package index's page by what the page says: status 200 proves nothing. Pure.

A sign-in page or a web interface may answer each path with 200 and HTML. The rules, the first that fits:

| the page                                                      | is        |
|---------------------------------------------------------------|-----------|
| has a content coding but gzip, or is no gzip                  | packed    |
| JSON of PEP 691, by type and shape                            | an index  |
| HTML with the meta element of PEP 629, or of Nexus            | an index  |
| has a field for a password                                    | foreign   |
| has the type of PEP 691 for HTML                              | an index  |
| a link to a distribution's file                               | an index  |
| a title as indexes and listings of folders write it           | an index  |
| half of its links or more lead to a page of that name below   | an index  |
| no text, link, script or element that shows anything          | empty     |
| all else                                                      | foreign   |

An empty page may be an index without packages, or its answer for an unknown one. Pages are read by patterns
of bounded length: authors of Connectors choose the server, and a parser of HTML can be made slow.
"""

import html
import json
import re
import zlib
from collections.abc import Sequence
from typing import Literal, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from sidecar.contract.codings import GZIP, applied
from webhook.connector.packages import normalise
from webhook.plain_text import plain

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
INDEX_TYPES = ("text/html", HTML_TYPE, JSON_TYPE)
TITLE_LIMIT = 60
"""Characters of a foreign title; arbitrary"""
DECODED_LIMIT = 64 * 1024
"""Bytes of a page in gzip: a few bytes may become a thousand times as many"""
LINKS_LIMIT = 500
"""Links of a page that are looked at. Arbitrary: the first tell what it is"""

_IGNORE_CASE = re.IGNORECASE | re.DOTALL
_META = re.compile(
    r"<meta\b[^>]{0,200}\bname\s*=\s*[\"']?(pypi:repository-version|api-version)\b", _IGNORE_CASE
)
_PASSWORD = re.compile(r"<input\b[^>]{0,500}\btype\s*=\s*[\"']?password\b", _IGNORE_CASE)
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_SHOWS = re.compile(
    r"<(script|form|input|iframe|frame|div|img|object|a|meta\s[^>]{0,200}refresh)\b", _IGNORE_CASE
)
_OF_INDEXES = re.compile(
    r"links for |simple (package )?index|simple list|index of /|directory listing for"
    r"|^(python )?package index$",
    re.IGNORECASE,
)
_SIGN_IN = re.compile(
    r"\b(sign[ _-]?in|log[ _-]?[io]n|logon|sso|single sign-on|authenticat(e|ion))\b", re.IGNORECASE
)
_FILE = re.compile(
    r"[a-z0-9][a-z0-9._-]*-v?[0-9][^/]*"
    r"\.(whl|egg|zip|tar|tgz|tbz|txz|tlz|tar\.(gz|bz2|xz|z|lz|lzma|zst))",
    re.IGNORECASE,
)
_NO_PROJECTS = frozenset(
    {"about", "contact", "docs", "help", "home", "login", "logout", "privacy", "register", "signin", "signup"}
    | {"sign-in", "sign-up", "terms"}
)
"""Names that menus of web interfaces link to"""


class Verdict(NamedTuple):
    kind: Literal["index", "empty", "foreign", "packed"]
    """`packed`: nobody looked into it, and the sidecar does not serve it"""
    what: str = ""
    """What a foreign or packed page is, in our words"""
    title: str = ""
    """A foreign page's own title: text of strangers, one plain line of `TITLE_LIMIT` characters at most"""


def judge(content_type: str, coding: str, body: bytes, *, is_whole: bool, url: str) -> Verdict:
    """`body`: the beginning of the page, as it was sent. `url`: of the page."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in INDEX_TYPES:
        return Verdict("foreign", "neither HTML nor the JSON of an index")
    codings = applied([coding.encode("utf-8", "replace")])
    if codings and codings not in GZIP:
        names = b", ".join(codings).decode("ascii")  # each is one of `CODINGS`
        return Verdict("packed", f"in a coding that was not asked for: {names}")
    octets = _unzipped(body) if codings else body
    if octets is None:
        return Verdict("packed", "no valid gzip")
    text = octets.decode("utf-8-sig", "replace")
    if media_type == JSON_TYPE:
        return _judge_json(text, is_whole=is_whole and len(octets) < DECODED_LIMIT)
    return _judge_html(text, url, is_typed=media_type == HTML_TYPE)


def _unzipped(body: bytes) -> bytes | None:
    """The beginning of a page in gzip; None: it is none."""
    try:
        return zlib.decompressobj(31).decompress(body, DECODED_LIMIT)
    except zlib.error:
        return None


def _judge_json(text: str, *, is_whole: bool) -> Verdict:
    """The type alone is nearly proof: nobody else sends it."""
    foreign = Verdict("foreign", "JSON without the files or projects of an index")
    if not is_whole:
        return Verdict("index") if text.lstrip().startswith("{") or not text else foreign
    try:
        page = json.loads(text)
    except (ValueError, RecursionError):
        return foreign
    is_page = isinstance(page, dict) and any(isinstance(page.get(key), list) for key in ("files", "projects"))
    return Verdict("index") if is_page else foreign


def _judge_html(text: str, url: str, *, is_typed: bool) -> Verdict:
    has_script = re.search(r"<script\b", text, re.IGNORECASE) is not None
    text = _without(_without(_without(text, "<!--", "-->"), r"<script\b", "</script"), r"<style\b", "</style")
    if _META.search(text):
        return Verdict("index")
    titles = _elements(text, "title")
    headings = [*titles, *_elements(text, "h1")]
    title = titles[0][:TITLE_LIMIT] if titles else ""
    if _PASSWORD.search(text):
        return Verdict("foreign", "a sign-in page", title)
    links = _links(text)
    if is_typed or any(_is_file(link) for link in links) or any(map(_OF_INDEXES.search, headings)):
        return Verdict("index")
    if _lists_projects(links, url):
        return Verdict("index")
    if any(map(_SIGN_IN.search, headings)):
        return Verdict("foreign", "a sign-in page", title)
    if not has_script and not _shows_anything(text):
        return Verdict("empty")
    what = "a web application" if has_script and not links else "an HTML page without links to packages"
    return Verdict("foreign", what, title)


def _without(text: str, start: str, end: str) -> str:
    """The text without the parts from `start` to `end`, both patterns. Linear, also for many starts."""
    first, *others = re.split(start, text, flags=re.IGNORECASE)
    return first + "".join(
        " ".join(re.split(end, other, maxsplit=1, flags=re.IGNORECASE)[1:]) for other in others
    )


def _shows_anything(text: str) -> bool:
    """Whether a page has more to show than title and heading."""
    body = _without(_without(text, r"<title\b", "</title[^<>]{0,9}>"), r"<h1\b", "</h1[^<>]{0,9}>")
    return _SHOWS.search(body) is not None or bool(html.unescape(_TAG.sub("", body)).strip())


def _elements(text: str, name: str) -> list[str]:
    """The text of each element of that name, of ten at most."""
    parts = re.split(rf"<{name}\b[^<>]{{0,200}}>", text, maxsplit=10, flags=re.IGNORECASE)[1:]
    return [_line(re.split(f"</{name}", part[:1000], maxsplit=1, flags=re.IGNORECASE)[0]) for part in parts]


def _links(text: str) -> list[tuple[str, str]]:
    """Target and text of each link. A part after `<a` is cut, not matched as a whole: that is linear."""
    found = []
    for part in re.split(r"<a\b", text, maxsplit=LINKS_LIMIT, flags=re.IGNORECASE)[1:]:
        part = part[:3000]
        href = _HREF.search(part)
        if href:
            inner = re.split(r"</a\b", part[href.end() :].partition(">")[2], maxsplit=1, flags=re.IGNORECASE)
            found.append((html.unescape(href[1] or href[2] or href[3] or ""), _line(inner[0])))
    return found


def _line(markup: str) -> str:
    """The text of an element, as one plain line."""
    return plain(" ".join(html.unescape(_TAG.sub(" ", markup)).split()))


def _is_file(link: tuple[str, str]) -> bool:
    href, line = link
    names = (unquote(href.partition("#")[0].partition("?")[0]).rpartition("/")[2], line)
    return any(_FILE.fullmatch(name) for name in names)


def _lists_projects(links: Sequence[tuple[str, str]], url: str) -> bool:
    """Whether half of the links lead one segment below the page, and show that segment.

    Listings of folders cut long names (`a-long-na..>`), link to the folder above, and to other orders of
    themselves (`?C=M;O=A`): neither counts.
    """
    here = urlsplit(url)
    projects = others = 0
    for href, line in links:
        try:
            there = urlsplit(urljoin(url, href))
        except ValueError:
            others += 1
            continue
        if there.netloc == here.netloc and here.path.startswith(there.path.rstrip("/") + "/"):
            continue  # the page itself, or above it
        below = there.path.removeprefix(here.path).rstrip("/") if there.path.startswith(here.path) else ""
        name, shown = normalise(unquote(below)), normalise(line.strip("/ ").removesuffix(">").rstrip(". "))
        is_project = bool(name and shown) and "/" not in below and name.startswith(shown)
        if is_project and there.netloc == here.netloc and name not in _NO_PROJECTS:
            projects += 1
        else:
            others += 1
    return projects > 0 and projects >= others

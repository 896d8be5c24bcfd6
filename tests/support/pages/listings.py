"""Index pages as clients read them: their links, and all of a page but its links."""

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

_LINK_KEYS = {"href", "url", "data-provenance", "provenance"}


@dataclass(frozen=True, slots=True)
class Link:
    url: str
    """Absolute, without its fragment"""
    hashes: dict[str, str]
    has_metadata: bool
    """PEP 658: whether the page says that `url` + `.metadata` is there"""

    @property
    def file(self) -> str:
        return urlsplit(self.url).path.rpartition("/")[2]


def links(body: bytes, content_type: str, url: str) -> list[Link]:
    """Links of a page that was read at `url`: of files, or of projects."""
    if "json" in content_type:
        page = json.loads(body)
        return [_of_json(one, url) for one in page.get("files", page.get("projects"))]
    parser = _Anchors(url)
    parser.feed(body.decode())
    parser.close()
    return parser.links


def without_links(body: bytes, content_type: str) -> object:
    """A page without its links, in order."""
    if "json" in content_type:
        return json.loads(body, object_pairs_hook=lambda pairs: [one for one in pairs if not _is_link(one)])
    parser = _Everything()
    parser.feed(body.decode())
    parser.close()
    return parser.found


def _of_json(entry: dict[str, Any], page_url: str) -> Link:
    if "url" not in entry:  # of the root index (PEP 691): the project's page is where its name leads
        return Link(urljoin(page_url, f"{entry['name']}/"), {}, has_metadata=False)
    metadata = entry.get("core-metadata", entry.get("data-dist-info-metadata"))
    url, fragment = urldefrag(urljoin(page_url, entry["url"]))
    assert not fragment, entry
    return Link(url, entry["hashes"], has_metadata=bool(metadata))


def _is_link(pair: tuple[str, Any]) -> bool:
    return pair[0] in _LINK_KEYS and isinstance(pair[1], str)


class _Anchors(HTMLParser):
    """PEP 503, with `<base href>` as pip reads it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._base = url
        self.links: list[Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "base":
            self._base = urljoin(self._base, found["href"])
        elif tag == "a":
            url, fragment = urldefrag(urljoin(self._base, found["href"]))
            has_metadata = "data-core-metadata" in found or "data-dist-info-metadata" in found
            self.links.append(Link(url, dict(parse_qsl(fragment)), has_metadata))


class _Everything(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[object, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [one for one in attrs if not _is_link(one)]))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((tag,))

    def handle_data(self, data: str) -> None:
        self.found.append(("data", data))

    def handle_entityref(self, name: str) -> None:
        self.found.append(("entity", name))

    def handle_charref(self, name: str) -> None:
        self.found.append(("entity", name))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("declaration", decl))

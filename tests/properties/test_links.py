"""What holds for links of every page: however it is cut, whatever else stands in it, as pip would read it."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pip._internal.index.collector import IndexContent, parse_links

from sidecar.contract.origins import declared_as, origin_of
from support.pages.generated_pages import (
    CUTS,
    FINALS,
    HTML_SCRAPS,
    JSON_SCRAPS,
    PLAIN,
    Part,
    dumped,
    html_pages,
    json_pages,
    written,
)
from support.pages.index_pages import ASKED, LAYOUT, LOCAL, MOVED, OWN, rewrite
from support.sidecars.octets import tried

SHOWN_AT = LOCAL + urlsplit(ASKED).path


def as_pip_reads(page: bytes, url: str, kind: str = "text/html") -> list[str]:
    return [link.url for link in parse_links(IndexContent(page, kind, None, url, cache_link_parsing=False))]


def led_back(url: str) -> str:
    """Where a client must go instead; pip writes the colon of a port in a path as %3A."""
    origin, parts = declared_as(origin_of(url), [LAYOUT.origin, *LAYOUT.foreign.values()]), urlsplit(url)
    if not LAYOUT.trusts(origin):
        return url
    rest = url[len(f"{parts.scheme}://{parts.netloc}") :]
    prefix = "" if origin == LAYOUT.origin else "/_o/" + origin.netloc.replace(":", "%3A")
    return LOCAL + prefix + (rest if rest.startswith("/") else "/" + rest)


@tried(200)
@given(page=html_pages(), final=FINALS)
def test_pip_finds_each_link_of_an_html_page_here_iff_it_led_to_a_declared_origin(
    page: list[Part], final: str
) -> None:
    before, after = written(page), rewrite(written(page), final=final)
    assert as_pip_reads(after, SHOWN_AT) == [led_back(url) for url in as_pip_reads(before, final)]


@tried(200)
@given(page=html_pages(), final=FINALS)
def test_of_an_html_page_nothing_but_links_changes(page: list[Part], final: str) -> None:
    pattern = "".join(re.escape(part) if isinstance(part, str) else "[^<>]*" for part in page)
    assert re.fullmatch(pattern.encode(), rewrite(written(page), final=final))


@tried(200)
@given(
    page=json_pages(),
    escape=st.sampled_from(["none", "ascii", "slashes", "numbers"]),
    indent=st.sampled_from([None, 1]),
    final=FINALS,
)
def test_pip_finds_each_link_of_a_json_page_here_and_all_else_as_it_was(
    page: dict[str, Any], escape: str, indent: int | None, final: str
) -> None:
    kind = "application/vnd.pypi.simple.v1+json"
    before = dumped(page, escape, indent)
    after = rewrite(before, is_json=True, final=final)
    assert as_pip_reads(after, SHOWN_AT, kind) == [led_back(url) for url in as_pip_reads(before, final, kind)]
    seen = json.loads(after)
    for old, new in zip(page["files"], seen["files"], strict=True):
        assert list(old) == list(new)
        new["url"] = old["url"]
    assert seen == json.loads(before)


def check_cuts(octets: bytes, *, is_json: bool, final: str, cuts: list[int]) -> bytes:
    whole = rewrite(octets, is_json=is_json, final=final)
    assert rewrite(octets, is_json=is_json, final=final, cuts=cuts) == whole
    assert rewrite(octets, is_json=is_json, final=final, cuts=list(range(len(octets)))) == whole
    return whole


@tried(250)
@given(
    page=st.one_of(html_pages().map(written), HTML_SCRAPS.map(str.encode), PLAIN.map(str.encode)),
    final=FINALS,
    cuts=CUTS,
)
@example(page=f'<base href="/b/"><a href="{OWN}/é">'.encode(), final=MOVED, cuts=[1, 2, 3, 20, 30, 40])
@example(page=f'<a href="{OWN}/a>b"><a href="{OWN}/c=d">'.encode(), final=ASKED, cuts=[])
@example(
    page=f'<p title="<a href="{OWN}/a"></b <a href="{OWN}/b" x=<a href="{OWN}/c">'.encode(),
    final=ASKED,
    cuts=[],
)
def test_an_html_page_comes_out_the_same_however_it_is_cut_and_by_whichever_way(
    page: bytes, final: str, cuts: list[int]
) -> None:
    """The apostrophe in the comment forbids the fast way."""
    whole = check_cuts(page, is_json=False, final=final, cuts=cuts)
    assert rewrite(b"<!--'-->" + page, final=final) == b"<!--'-->" + whole


@tried(250)
@given(
    page=st.one_of(
        st.builds(dumped, json_pages(), st.sampled_from(["none", "slashes"]), st.none()),
        JSON_SCRAPS.map(lambda text: text.encode("utf-8", "surrogatepass")),
    ),
    final=FINALS,
    cuts=CUTS,
)
@example(page=b'{"url":"\\}"url":"https://registry.example/x"}', final=ASKED, cuts=[])
@example(page=b'{"url":"https:\\/\\/registry.example/\\}a","url":"b"}', final=MOVED, cuts=[])
def test_a_json_page_comes_out_the_same_however_it_is_cut_and_by_whichever_way(
    page: bytes, final: str, cuts: list[int]
) -> None:
    """The backslash in front forbids the fast way."""
    whole = check_cuts(page, is_json=True, final=final, cuts=cuts)
    assert rewrite(b'"\\n",{' + page, is_json=True, final=final) == b'"\\n",{' + whole


@pytest.mark.parametrize(
    "page",
    [
        f"""<!DOCTYPE html><a href="{OWN}/a#x" data-yanked='<a href="{OWN}/b">'>é</a>
        <!-- <a href="{OWN}/c"> --><A HREF='//files.example/d'>""",
        f'{{"files":[{{"url":"{OWN}/a"}},{{"x":"{{","url":"https:\\/\\/files.example\\/b","é":"\\"url\\":"}}]}}',
    ],
    ids=["html", "json"],
)
@pytest.mark.parametrize("final", [ASKED, MOVED], ids=["unmoved", "moved"])
def test_a_page_may_be_cut_in_two_at_every_position(page: str, final: str) -> None:
    octets = page.encode()
    whole = rewrite(octets, is_json=page[0] == "{", final=final)
    assert b"https:" not in whole[:40]
    for cut in range(len(octets)):
        assert rewrite(octets, is_json=page[0] == "{", final=final, cuts=[cut]) == whole

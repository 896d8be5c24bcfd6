"""What holds for links of every page that a gateway serves below a prefix of paths: no link leaves it."""

from typing import Any
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st
from pip._internal.index.collector import IndexContent, parse_links

from sidecar.contract.origins import declared_as, origin_of
from support.pages.generated_pages import CUTS, FINALS, Part, dumped, html_pages, json_pages, written
from support.pages.index_pages import ASKED, LAYOUT, OWN, rewrite
from support.sidecars.octets import tried

LOCAL = "http://gateway.example/namespaces/team/connectors/pypi"
SHOWN_AT = LOCAL + urlsplit(ASKED).path
JSON = "application/vnd.pypi.simple.v1+json"


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


def check_cuts(octets: bytes, *, is_json: bool, final: str, cuts: list[int]) -> bytes:
    whole = rewrite(octets, is_json=is_json, final=final, local=LOCAL)
    assert rewrite(octets, is_json=is_json, final=final, cuts=cuts, local=LOCAL) == whole
    return whole


@tried(300)
@given(page=html_pages(), final=FINALS, cuts=CUTS)
def test_each_link_of_an_html_page_leads_below_the_prefix_iff_it_led_to_a_declared_origin(
    page: list[Part], final: str, cuts: list[int]
) -> None:
    before = written(page)
    after = check_cuts(before, is_json=False, final=final, cuts=cuts)
    assert as_pip_reads(after, SHOWN_AT) == [led_back(url) for url in as_pip_reads(before, final)]
    # the apostrophe in the comment forbids the fast way
    assert rewrite(b"<!--'-->" + before, final=final, local=LOCAL) == b"<!--'-->" + after


@tried(300)
@given(
    page=json_pages(),
    escape=st.sampled_from(["none", "ascii", "slashes", "numbers"]),
    indent=st.sampled_from([None, 1]),
    final=FINALS,
    cuts=CUTS,
)
def test_each_link_of_a_json_page_leads_below_the_prefix_iff_it_led_to_a_declared_origin(
    page: dict[str, Any], escape: str, indent: int | None, final: str, cuts: list[int]
) -> None:
    before = dumped(page, escape, indent)
    after = check_cuts(before, is_json=True, final=final, cuts=cuts)
    assert as_pip_reads(after, SHOWN_AT, JSON) == [led_back(url) for url in as_pip_reads(before, final, JSON)]


def plain(*links: str) -> bytes:
    return "".join(f'<a href="{link}">x</a>\n' for link in links).encode()


def test_relative_links_within_the_registry_stay_relative() -> None:
    """An Ingress in front may have another prefix: they lead there, too."""
    page = plain("../../../../packages/a-1.zip", "a-1.zip", "./b-1.zip", "#x")
    assert rewrite(page, local=LOCAL) == page


def test_links_that_are_replaced_all_at_once_are_as_if_replaced_one_by_one() -> None:
    for links in (
        [f"{OWN}/p/a-1.zip"] * 3,
        ["/p/a-1.zip"] * 3,
        ["/p/a-1.zip", f"{OWN}/p/b-1.zip"],
        ["https://files.example/p/a-1.zip"] * 3,
        ["../../../../../../a-1.zip"] * 2,
    ):
        page = plain(*links)
        assert rewrite(page + b"<!--'-->", local=LOCAL) == rewrite(page, local=LOCAL) + b"<!--'-->"
        assert all(url.startswith(f"{LOCAL}/") for url in as_pip_reads(rewrite(page, local=LOCAL), SHOWN_AT))


def test_the_base_of_a_page_leads_below_the_prefix_once() -> None:
    page = rewrite(f'<base href="{OWN}/b/"><a href="a-1.zip">x</a>'.encode(), local=LOCAL)
    assert page.startswith(f'<base href="{LOCAL}/b/">'.encode())
    assert as_pip_reads(page, SHOWN_AT) == [f"{LOCAL}/b/a-1.zip"]

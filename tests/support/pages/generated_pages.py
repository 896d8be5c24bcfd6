"""Index pages for property tests: valid pages with everything that they may hold, and invalid scraps."""

import html
import json
import re
from typing import Any

from hypothesis import strategies as st

from support.pages.index_pages import (
    ASKED,
    FOREIGN,
    FOREIGN_MOVED,
    MOVED,
    OWN,
    OWN_LINKS,
    RELATIVE,
    UNDECLARED,
)

ODD = [
    OWN + "/ünï/€",
    OWN + "/a{b}c",
    OWN + "/\"'<>&",
    OWN + "/\\x",
    "//pypi.org/a",
    "/p/a-1.whl",
    "//",
    "//x:y/",
]
LINKS = st.sampled_from([*OWN_LINKS, *FOREIGN, *UNDECLARED, *RELATIVE, *ODD])
VALID = st.sampled_from(
    [
        *(link for link in [*OWN_LINKS, *FOREIGN, *RELATIVE] if "evil" not in link),
        *UNDECLARED[:10],
        OWN + "/ünï/€",
        OWN + "/a b",
    ]
)
FINALS = st.sampled_from([ASKED, MOVED, FOREIGN_MOVED])
CUTS = st.lists(st.integers(0, 600), max_size=8)


def scraps(*words: str) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(st.sampled_from(words), st.text(max_size=3)), max_size=30).map("".join)


HTML_SCRAPS = scraps(
    "<",
    ">",
    '"',
    "'",
    "=",
    " ",
    "\n",
    "/",
    "<a ",
    "<base ",
    "<A",
    "href",
    "HREF=",
    "hRef",
    "data-provenance=",
    "&amp;",
    '<a href="',
    '<a href="' + OWN + "/x",
    "</a",
    "<!--",
    "-->",
    "<script>",
    "title=",
    "&#x2f;",
    OWN,
    OWN + "/a",
    "//files.example/b",
    "é",
)
JSON_SCRAPS = scraps(
    "{",
    "}",
    "[",
    "]",
    '"',
    "\\",
    "\\\\",
    ":",
    ",",
    " ",
    '"url"',
    '"url":"',
    '"url": "' + OWN + "/x",
    '"provenance":"',
    '"\\u0075rl":"',
    "\\u002f",
    "\\/",
    "https:\\/\\/registry.example\\/",
    OWN,
    OWN + "/a",
    '"}',
    "é",
)
PLAIN = st.lists(
    st.sampled_from([*OWN_LINKS, *FOREIGN, *RELATIVE, "https://pypi.org/a", "//x/"]).flatmap(
        lambda link: st.sampled_from(
            [f'<a href="{link}">x</a>\n', f'<a href="{link}" data-requires-python="&gt;=3">x</a><br/>']
        )
    ),
    max_size=8,
).map("".join)
"""As registries write them; few hypotheses find these by themselves"""

# Each piece of a page is a text that must stay, or a link: (as it stands there, the link itself).
Part = str | tuple[str, str]
DECOY = st.sampled_from(
    ["", "why", f"see href={OWN}/x", f"<a href={OWN}/x>", "a < b > c", f"'{OWN}/x", "<b/>=", "it's"]
)


@st.composite
def anchors(draw: st.DrawFn) -> list[Part]:
    """A valid start tag with a link and what else may stand in it, and a text after it."""
    link = draw(VALID)
    blank = draw(st.sampled_from(["", " ", "\n\t"]))
    quote = draw(st.sampled_from(['"', "'"]))
    value: list[Part] = [quote, (html.escape(link), link), quote]
    if draw(st.booleans()) and not re.search(r"[\s\"'<>`=&]", link):
        value = [(link, link)]
    attributes: list[list[Part]] = [
        [draw(st.sampled_from(["href", "HREF", "Href"])), blank, "=", blank, *value]
    ]
    for name in draw(
        st.lists(st.sampled_from(["data-yanked", "title", "data-href", "REL"]), max_size=3, unique=True)
    ):
        decoy = draw(DECOY)
        other = draw(st.sampled_from(['"', "'"]))
        attributes.append(
            [f"{name}={other}{decoy.replace(other, '&#34;' if other == chr(34) else '&#39;')}{other}"]
        )
    if draw(st.booleans()):
        attributes.append(["data-gpg-sig"])
    tag: list[Part] = [draw(st.sampled_from(["<a", "<A"]))]
    for attribute in draw(st.permutations(attributes)):
        tag += [draw(st.sampled_from([" ", "\n", "\t "])), *attribute]
    return [*tag, draw(st.sampled_from([">", " >", "\n>"])), html.escape(draw(DECOY), quote=False), "</a>"]


OTHERS = st.sampled_from(
    [
        "\n",
        "<br/>",
        "<br>",
        "a < b, 3 <4",
        f"<!-- <a href='{OWN}/x'> -->",
        f'<!--><p title="{OWN}/x">',
        "<!DOCTYPE html>",
        f"<p title=\"<a href='{OWN}/x'>\">",
        f"<p title='<a href=\"{OWN}/x\">'>",
        f'text href="{OWN}/x" text',
        "<script>if (a<b && c==\"x\") d='</p>'</script>",
        '<meta name="pypi:tracks" content="' + OWN + '/simple/x/">',
    ]
)


@st.composite
def html_pages(draw: st.DrawFn) -> list[Part]:
    page: list[Part] = []
    if draw(st.booleans()):
        base = draw(st.sampled_from([OWN + "/base/", "https://files.example/b/", "https://pypi.org/b/"]))
        page += ['<base href="', (base, base), '">']
    for parts in draw(st.lists(st.one_of(anchors(), OTHERS.map(lambda text: [text])), max_size=8)):
        page += parts
    return page


def written(page: list[Part]) -> bytes:
    return "".join(part if isinstance(part, str) else part[0] for part in page).encode()


@st.composite
def json_pages(draw: st.DrawFn) -> dict[str, Any]:
    nested = st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.text(max_size=4),
            st.sampled_from([OWN, '"url": "' + OWN, "{", "}"]),
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=5,
    )
    files = [
        {
            draw(st.text(max_size=3)): draw(nested),
            "filename": "a",
            "url": draw(VALID),
            "hashes": {"x{": "}"},
            "x": draw(nested),
        }
        for _ in range(draw(st.integers(0, 4)))
    ]
    return {"meta": {"api-version": "1.1", "tracks": [OWN]}, "x": draw(nested), "files": files}


def dumped(page: dict[str, Any], escape: str, indent: int | None) -> bytes:
    text = json.dumps(page, ensure_ascii=escape != "none", indent=indent)
    spelled = {
        "none": text,
        "ascii": text,
        "slashes": text.replace("/", "\\/"),
        "numbers": text.replace("/", "\\u002f"),
    }
    return spelled[escape].encode("utf-8", "surrogatepass")

"""Users and passwords in links: clients use a stranger's as ever, and never see the registry's own."""

import json
from html import escape

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from support.pages.index_pages import ASKED, FOREIGN_MOVED, MOVED, links, rewrite

PASSWORD = "pa&s=w+rd/é"
LOGIN = Credential("robot", Secret(PASSWORD))
ENCODED = "pa%26s%3Dw%2Brd%2F%C3%A9"
SHOWING = [
    f"robot:{ENCODED}@",
    f"ROBOT:{ENCODED.lower()}@",
    f"other:{ENCODED}@",
    f"{ENCODED}@",
    f"{ENCODED}:@",
    f":{ENCODED}@",
    f"robot%3A{ENCODED}@",
    f"a@b:{ENCODED}@",
    "robot:pa&s=w+rd%2Fé@",
]
HARMLESS = ["", "robot@", "robot:other@", "token:@", "%zz:%@", "@", ":@"]
LINK = "https://{}pypi.org/p/a-1.whl?b=c@d#sha256=ab"


@pytest.mark.parametrize("user", SHOWING)
@pytest.mark.parametrize("scheme", ["https:", "HTTP:", ""])
@pytest.mark.parametrize("final", [ASKED, MOVED, FOREIGN_MOVED], ids=["unmoved", "moved", "moved to files"])
def test_a_link_to_anywhere_loses_a_user_that_is_the_registrys_credential(
    user: str, scheme: str, final: str
) -> None:
    link = LINK.format(user).replace("https:", scheme)
    left = LINK.format("").replace("https:", scheme or "https:")
    for key in ("href", "data-provenance"):
        page = f'<a href="../a"><a {key}="{escape(link)}"><a href="../b">'.encode()
        found = rewrite(page, final=final, credential=LOGIN)
        assert f'<a {key}="{escape(left)}">'.encode() in found
        assert all(
            rewrite(page, final=final, credential=LOGIN, cuts=[cut]) == found for cut in range(len(page))
        )
    for key in ("url", "provenance"):
        page = json.dumps({"files": [{key: link}]}).replace("/", "\\/").encode()
        found = rewrite(page, is_json=True, final=final, credential=LOGIN)
        assert json.loads(found) == {"files": [{key: left}]}


@pytest.mark.parametrize("user", HARMLESS)
def test_any_other_user_stays(user: str) -> None:
    page = f'<a href="{LINK.format(user)}">'.encode()
    assert rewrite(page, credential=LOGIN) == page
    assert rewrite(page, credential=LOGIN, cuts=list(range(len(page)))) == page
    page = json.dumps({"url": LINK.format(user)}).encode()
    assert rewrite(page, is_json=True, credential=LOGIN) == page


@pytest.mark.parametrize("user", [*SHOWING, *HARMLESS])
def test_a_link_to_a_declared_origin_has_no_user(user: str) -> None:
    for origin, local in (("registry.example", ""), ("files.example", "/_o/files.example")):
        for scheme in ("https", "http"):
            page = f'<a href="{scheme}://{escape(user)}{origin}/a.whl">'.encode()
            assert rewrite(page, credential=LOGIN) == f'<a href="{local}/a.whl">'.encode()


@pytest.mark.parametrize(
    "link",
    [
        f"https://robot:{ENCODED}@[broken/a",
        f"https://robot:{ENCODED}@pypi.org:port/a",
        f"ftp://robot:{ENCODED}@pypi.org/a",
        f"https:\\\\robot:{ENCODED}@pypi.org/a",
        f"ht\ttps:/\n/robot:{ENCODED}@pypi.org/a",
        f" https://robot:{ENCODED}@pypi.org",
    ],
)
def test_no_spelling_hides_it(link: str) -> None:
    assert ENCODED not in links(credential=LOGIN).rewrite(link)
    assert ENCODED.encode() not in rewrite(f'<a href="{link}">'.encode(), credential=LOGIN)
    assert ENCODED.encode() not in rewrite(json.dumps({"url": link}).encode(), is_json=True, credential=LOGIN)


def test_a_base_shows_it_no_more_than_a_link_does() -> None:
    page = f'<base href="https://robot:{ENCODED}@pypi.org/"><a href="a"><a href="//x:{ENCODED}@pypi.org/b">'
    for final in (ASKED, MOVED):
        found = rewrite(page.encode(), final=final, credential=LOGIN)
        assert found == b'<base href="https://pypi.org/"><a href="a"><a href="//pypi.org/b">'


def test_without_a_password_the_name_is_the_secret() -> None:
    token = Credential("canary-token", Secret(""))
    page = b'<a href="https://canary-token@pypi.org/a"><a href="https://x:canary-token@pypi.org/b">'
    assert rewrite(page, credential=token) == b'<a href="https://pypi.org/a"><a href="https://pypi.org/b">'

"""Rare names of archives and pages: none of them goes round the lists of packages."""

import pytest

from sidecar.contract.grant import PackagePolicy
from sidecar.errors import Refusal
from sidecar.rules.layout import Layout
from sidecar.rules.routes import route
from sidecar.rules.scope import check_redirect
from support.sidecars.layouts import GRANT

LISTS = PackagePolicy("team/pypi", ("good*",), ("evil*",))
LAYOUT = Layout.of(GRANT._replace(packages=LISTS))
INDEX = "/repository/pypi/simple/"


@pytest.mark.parametrize(
    "path",
    [
        *("/p/evil-1.0.tar", "/p/evil-1.0.egg", "/p/evil-1.0.ZIP", "/p/evil-1.0-py3-none-any.WHL"),
        *(
            "/p/evil-1.0-1-py3-none-any-variant.whl",
            "/p/good%2Fevil-1.0.zip",
            "/p/good-1.0.zip%2fevil-1.0.tar",
        ),
        f"{INDEX}evil/index.html",
        *("/other/evil/index.html", f"{INDEX}x%2F..%2Fevil/"),
    ],
)
def test_no_redirect_leads_to_a_denied_name_in_a_rare_form(path: str) -> None:
    with pytest.raises(Refusal, match='"evil" is denied'):
        check_redirect(f"https://registry.example{path}", LAYOUT, is_page=path.endswith((".html", "/")))


def test_the_file_of_the_root_index_is_no_project() -> None:
    check_redirect(f"https://registry.example{INDEX}index.html", LAYOUT, is_page=True)


def test_the_file_of_an_allowed_page_is_no_project() -> None:
    check_redirect(f"https://registry.example{INDEX}good/index.html", LAYOUT, is_page=True)


def test_a_listed_path_does_not_hide_a_denied_name() -> None:
    target = "/p/good-1%2Fevil-1.0.zip"
    LAYOUT.listed.add(LAYOUT.index_url, target)
    with pytest.raises(Refusal, match='"evil" is denied'):
        route("GET", target, LAYOUT)

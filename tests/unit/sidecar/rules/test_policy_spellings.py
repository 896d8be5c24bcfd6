"""Spellings that no client makes, and that a server may take for a denied project's all the same."""

import pytest

from sidecar.contract.grant import PackagePolicy
from sidecar.errors import Refusal
from sidecar.rules.layout import Layout
from sidecar.rules.routes import route
from support.sidecars.layouts import GRANT, INDEX

DENIES_EVIL = Layout.of(GRANT._replace(packages=PackagePolicy("team/pypi", (), ("evil",))))


@pytest.mark.parametrize(
    "target",
    [
        f"{INDEX}evil-1.0.zip/",  # the page of a project `evil-1-0-zip`, or a file
        f"{INDEX}evil-1.0-py3-none-any.whl/",
        "/p/evil_-1.0-py3-none-any.whl",
        "/p/evil.-1.0-py3-none-any.whl",
        "/p/evil._-1.0.zip",
    ],
)
def test_no_odd_spelling_goes_round_a_denied_name(target: str) -> None:
    with pytest.raises(Refusal, match=r'^package "evil" is denied'):
        route("GET", target, DENIES_EVIL)


def test_a_page_whose_project_is_called_like_a_file_is_served_where_both_may_pass() -> None:
    assert route("GET", f"{INDEX}good-1.0.zip/", DENIES_EVIL).action == "index"

"""Variables of a Pod with several publish targets, or with a connector behind its target."""

from typing import Any

import pytest

from webhook.clients.merging import apply
from webhook.clients.sources import guards
from webhook.clients.variables import groups
from webhook.identifiers import ConnectorKey
from webhook.pod.endpoints import endpoints
from webhook.pod.request import Request

KEY, UPLOADS = ConnectorKey("team-a", "pypi"), ConnectorKey("b", "b")
ENDPOINTS = endpoints(Request(connectors=(KEY,)), {KEY: 28200})
WANTED = groups(ENDPOINTS)
GUARDS = guards(ENDPOINTS)
SEVERAL = groups(
    endpoints(Request(connectors=(KEY,), publish_connectors=(UPLOADS, KEY)), {KEY: 28200, UPLOADS: 28300})
)
"""With several publish targets"""


def as_dict(env: list[Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in env}


def test_uv_asks_a_target_alone_where_another_connector_follows() -> None:
    """Else a file of the same name in the other registry would keep it from the upload."""
    order = (KEY, UPLOADS)
    for request, url in (
        (Request(connectors=order), "http://127.0.0.1:28200/simple/?next=no"),
        (Request(connectors=(KEY,)), "http://127.0.0.1:28200/simple/"),
        (Request(connectors=order, publish_connectors=(UPLOADS,)), "http://127.0.0.1:28300/simple/"),
    ):
        variables = groups(endpoints(request, {KEY: 28200, UPLOADS: 28300}))
        assert variables["uv publish"]["UV_PUBLISH_CHECK_URL"] == url
        env = apply([], variables, GUARDS).env
        assert apply(env, WANTED, GUARDS).own == {}


def test_with_several_targets_no_variable_outweighs_the_choice_of_one() -> None:
    """twine takes TWINE_REPOSITORY_URL for more than `-r`, and uv refuses `--index` beside UV_PUBLISH_URL."""
    names = {name for values in SEVERAL.values() for name in values}
    assert names.isdisjoint({"TWINE_REPOSITORY_URL", "UV_PUBLISH_URL", "UV_PUBLISH_CHECK_URL"})
    assert SEVERAL["twine by name"]["TWINE_REPOSITORY"] == "connectors-pypi"
    assert SEVERAL["uv publish by name"]["UV_PUBLISH_INDEX"] == "connectors-pypi"
    assert SEVERAL["flit"]["FLIT_INDEX_URL"] == "http://127.0.0.1:28300/"


def test_without_a_file_of_uv_its_variable_names_the_default_target() -> None:
    request = Request(connectors=(KEY,), publish_connectors=(UPLOADS, KEY), configurations=("pypirc",))
    variables = groups(endpoints(request, {KEY: 28200, UPLOADS: 28300}))
    assert variables["uv publish"]["UV_PUBLISH_URL"] == "http://127.0.0.1:28300/"
    assert "uv publish by name" not in variables


@pytest.mark.parametrize(("before", "after"), [(WANTED, SEVERAL), (SEVERAL, WANTED), (SEVERAL, {})])
def test_a_copy_gets_the_variables_of_its_own_number_of_targets(
    before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]
) -> None:
    env = apply([], before, GUARDS).env
    changed = apply(env, after, GUARDS)
    assert as_dict(changed.env) == as_dict(apply([], after, GUARDS).env)
    assert changed.own == {}
    assert apply(changed.env, after, GUARDS).env == changed.env


@pytest.mark.parametrize(
    "own",
    [
        {"TWINE_REPOSITORY": "connectors-pypi"},
        {"TWINE_REPOSITORY": "theirs"},
        {"TWINE_REPOSITORY_URL": "https://their.example/"},
        {"TWINE_REPOSITORY_URL": "http://127.0.0.1:28300/"},
        {"UV_PUBLISH_INDEX": "connectors-pypi"},
        {"UV_PUBLISH_INDEX": "theirs"},
        {"UV_PUBLISH_URL": "https://their.example/"},
    ],
)
@pytest.mark.parametrize("wanted", [WANTED, SEVERAL])
def test_an_authors_own_target_is_never_taken_away(
    wanted: dict[str, dict[str, str]], own: dict[str, str]
) -> None:
    env = [{"name": name, "value": text} for name, text in own.items()]
    merged = apply(env, wanted, GUARDS)
    assert merged.env[-1] == env[0] or as_dict(merged.env) == as_dict(apply([], wanted, GUARDS).env)
    assert apply(merged.env, wanted, GUARDS).env == merged.env

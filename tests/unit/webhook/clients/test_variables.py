"""Client variables: complete groups, and the user's own variables that keep a group out."""

from typing import Any

import pytest

from webhook.clients.endpoints import Endpoints
from webhook.clients.merging import apply
from webhook.clients.no_proxy import bypass_loopback
from webhook.clients.sources import guards
from webhook.clients.variables import groups
from webhook.identifiers import ConnectorKey
from webhook.pod.endpoints import endpoints
from webhook.pod.request import Request

KEY, UPLOADS = ConnectorKey("team-a", "pypi"), ConnectorKey("b", "b")
ENDPOINTS = endpoints(Request(connectors=(KEY,)), {KEY: 28200})
WANTED = groups(ENDPOINTS)
GUARDS = guards(ENDPOINTS)
ALLOWING = endpoints(Request(connectors=(KEY,)), {KEY: 28200}, admits_extra_indexes=True)


def literal(**variables: str) -> list[dict[str, Any]]:
    return [{"name": name, "value": text} for name, text in variables.items()]


def as_dict(env: list[Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in env}


def test_without_pypirc_no_variable_concerns_uploads() -> None:
    urls = endpoints(Request(connectors=(KEY,), configurations=("pipconf",)), {KEY: 28200})
    assert list(groups(urls)) == ["pip", "uv index", "pdm index", "pipenv", "virtualenv"]


def test_without_pipconf_no_variable_concerns_the_index() -> None:
    urls = endpoints(Request(connectors=(KEY,), configurations=("pypirc",)), {KEY: 28200})
    assert list(groups(urls)) == ["uv publish", "twine", "flit", "hatch", "pdm publish", "poetry publish"]


def test_the_folder_of_the_files_can_change() -> None:
    assert groups(ENDPOINTS, config_dir="/tmp/x")["pip"]["PIP_CONFIG_FILE"] == "/tmp/x/pip.conf"


def test_uploads_go_to_the_publish_connector_alone() -> None:
    request = Request(connectors=(KEY,), publish_connectors=(UPLOADS,))
    variables = groups(endpoints(request, {KEY: 28200, UPLOADS: 28300}))
    assert variables["uv index"]["UV_DEFAULT_INDEX"] == "http://127.0.0.1:28200/simple/"
    assert variables["uv publish"]["UV_PUBLISH_CHECK_URL"] == "http://127.0.0.1:28300/simple/"
    assert variables["twine"]["TWINE_REPOSITORY_URL"] == "http://127.0.0.1:28300/"


def blocked(env: list[Any]) -> list[str]:
    """The author's variables that keep a group out, each with its group."""
    return [f"{name} ({group})" for group, names in apply(env, WANTED, GUARDS).own.items() for name in names]


def stored(env: list[Any]) -> list[Any]:
    """As the API server keeps it: without empty values."""
    return [{key: value for key, value in entry.items() if value != ""} for entry in env]


def everything() -> dict[str, str]:
    return {name: text for part in (*WANTED.values(), *GUARDS.values()) for name, text in part.items()}


def test_every_group_goes_in_first_and_a_second_pass_changes_nothing() -> None:
    once = apply(literal(A="1"), WANTED, GUARDS)
    assert once.env[-1] == {"name": "A", "value": "1"}
    assert as_dict(once.env[:-1]) == everything()
    assert once.own == {}
    assert apply(once.env, WANTED, GUARDS) == once
    assert apply(stored(once.env), WANTED, GUARDS).env == stored(once.env)


def test_a_variable_of_the_user_keeps_out_its_whole_group_and_no_other() -> None:
    for group, values in WANTED.items():
        for name in values:
            own = literal(**{name: "https://own.example/"})
            env = apply(own, WANTED, GUARDS).env
            assert blocked(own) == [f"{name} ({group})"]
            assert as_dict(env)[name] == "https://own.example/"
            assert not (set(as_dict(env)) & {*values, *GUARDS.get(group, ())}) - {name}
            assert set(as_dict(env)) >= {other for key in WANTED if key != group for other in WANTED[key]}


def test_a_reference_belongs_to_the_user_even_under_our_name() -> None:
    entry = {"name": "TWINE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    assert entry in apply([entry], WANTED).env
    assert blocked([entry]) == ["TWINE_PASSWORD (twine)"]


def test_a_rival_variable_keeps_its_group_out_too() -> None:
    own = literal(UV_PUBLISH_USERNAME="me", TWINE_REPOSITORY="testpypi")
    assert blocked(own) == ["UV_PUBLISH_USERNAME (uv publish)", "TWINE_REPOSITORY (twine)"]
    env = as_dict(apply(own, WANTED).env)
    assert "UV_PUBLISH_TOKEN" not in env
    assert "TWINE_REPOSITORY_URL" not in env


@pytest.mark.parametrize("name", ["PIP_index_url", "PIP_INDEX-URL", "PIP_Pypi_Url"])
def test_a_variable_of_pip_in_another_spelling_keeps_its_group_out_too(name: str) -> None:
    own = literal(**{name: "https://own.example/"})
    assert blocked(own) == [f"{name} (pip)"]
    assert apply(own, WANTED, GUARDS).env[-1:] == own


def test_a_loopback_url_outside_our_ports_belongs_to_the_user() -> None:
    own = literal(PIP_INDEX_URL="http://127.0.0.1:3141/root/pypi/+simple/")
    assert blocked(own) == ["PIP_INDEX_URL (pip)"]


def test_a_stale_value_of_ours_is_updated_in_its_place() -> None:
    env = literal(PIP_INDEX_URL="http://127.0.0.1:28999/simple/", B="2")
    assert apply(env, WANTED).env[-2:] == literal(PIP_INDEX_URL="http://127.0.0.1:28200/simple/", B="2")


def test_a_second_pass_recognises_a_port_by_annotation() -> None:
    urls = endpoints(Request(connectors=(KEY,)), {KEY: 8123})
    once = apply([], groups(urls), guards(urls))
    assert apply(once.env, groups(urls), guards(urls)) == once


def test_an_entry_stands_before_those_that_refer_to_it() -> None:
    """Kubernetes expands `$(NAME)` only where NAME stands further up."""
    late = literal(A="1", BUILD_INDEX="$(PIP_INDEX_URL)", PIP_INDEX_URL="http://127.0.0.1:28999/simple/")
    for env in (literal(BUILD_INDEX="$(PIP_INDEX_URL)"), late):
        once = apply(env, WANTED, GUARDS)
        order = [entry["name"] for entry in once.env]
        assert order.index("PIP_INDEX_URL") < order.index("BUILD_INDEX")
        own = [entry for entry in once.env if entry["name"] in ("A", "BUILD_INDEX")]
        assert own == [entry for entry in env if entry["name"] != "PIP_INDEX_URL"]
        assert apply(once.env, WANTED, GUARDS) == once


def test_variables_of_an_earlier_version_keep_their_place_at_the_end() -> None:
    last = [{"name": name, "value": text} for values in WANTED.values() for name, text in values.items()]
    env = [*literal(A="1"), *last]
    once = apply(env, WANTED, GUARDS)
    assert once.env[-len(env) :] == env
    assert {entry["name"] for entry in once.env[: -len(env)]} == {*GUARDS["pip"], *GUARDS["uv index"]}
    assert apply(env, {}).env == literal(A="1")


def test_an_unwanted_group_is_removed_as_a_whole() -> None:
    once = apply(literal(A="1"), WANTED, GUARDS)
    for env in (once.env, stored(once.env)):
        assert apply(env, {}).env == literal(A="1")


def test_an_incomplete_unwanted_group_stays() -> None:
    env = literal(TWINE_PASSWORD="unused", FLIT_USERNAME="me", UV_INDEX="")
    assert apply(env, {}).env == env


def test_a_guard_is_left_out_where_the_author_sets_the_variable() -> None:
    own = literal(PIP_EXTRA_INDEX_URL="https://own.example/", UV_FIND_LINKS="/wheels")
    once = apply(own, WANTED, GUARDS)
    assert once.env[-2:] == own
    assert once.own == {}
    assert as_dict(once.env[:-2]) == {
        name: text for name, text in everything().items() if name not in as_dict(own)
    }
    assert apply(once.env, WANTED, GUARDS) == once


def test_a_second_connectors_index_is_the_authors_own_extra_index() -> None:
    own = literal(PIP_EXTRA_INDEX_URL="http://127.0.0.1:28999/simple/")
    once = apply(own, WANTED, GUARDS)
    assert once.env[-1:] == own
    assert apply(once.env, WANTED, GUARDS) == once


def test_a_connector_that_allows_further_indexes_has_no_guards() -> None:
    assert guards(ALLOWING) == {"pip": {"PIP_PYPI_URL": "", "PIP_PROXY": ""}}
    once = apply(literal(A="1"), WANTED, GUARDS)
    allowed = apply(literal(A="1"), WANTED, guards(ALLOWING))
    for env in (once.env, stored(once.env)):
        assert stored(apply(env, WANTED, guards(ALLOWING)).env) == stored(allowed.env)


@pytest.mark.parametrize(
    "own",
    [
        literal(PIP_INDEX_URL="https://own.example/"),
        literal(PIP_EXTRA_INDEX_URL="https://own.example/"),
        literal(PIP_EXTRA_INDEX_URL="https://own.example/", PIP_FIND_LINKS="/wheels", UV_INDEX="x"),
        literal(PIP_CONFIG_FILE="/own", UV_EXTRA_INDEX_URL="https://own.example/", A="1"),
        literal(UV_DEFAULT_INDEX="https://own.example/"),
    ],
)
def test_guards_of_a_copy_go_also_where_the_author_owns_a_part(own: list[Any]) -> None:
    once = apply(own, WANTED, GUARDS).env
    allowed = apply(own, WANTED, guards(ALLOWING)).env
    for env in (once, stored(once)):
        assert as_dict(stored(apply(env, WANTED, guards(ALLOWING)).env)) == as_dict(stored(allowed))


def test_the_authors_empty_variables_stay_beside_a_group_of_pip_of_their_own() -> None:
    own = literal(UV_INDEX="", UV_EXTRA_INDEX_URL="", UV_FIND_LINKS="", PIP_INDEX_URL="https://own.example/")
    once = apply(own, WANTED, guards(ALLOWING))
    assert once.env[-4:] == own
    assert apply(once.env, WANTED, guards(ALLOWING)) == once


def test_the_authors_empty_variables_stay_where_there_are_no_guards() -> None:
    own = literal(UV_INDEX="", PIP_NO_INDEX="0", PIP_FIND_LINKS=" ", PIP_EXTRA_INDEX_URL="")
    once = apply(own, WANTED, guards(ALLOWING))
    assert once.env[-4:] == own
    assert once.own == {}
    assert apply(once.env, WANTED, guards(ALLOWING)) == once


def test_without_endpoints_there_is_no_group() -> None:
    assert groups(Endpoints(None, None, None)) == {}


def test_a_proxy_does_not_get_requests_for_the_loopback_interface() -> None:
    env = literal(http_proxy="http://p", NO_PROXY=".svc")
    assert as_dict(bypass_loopback(env)[0])["NO_PROXY"] == ".svc,127.0.0.1"
    assert "no_proxy" not in as_dict(bypass_loopback(env)[0])
    assert as_dict(bypass_loopback(literal(ALL_PROXY="x"))[0])["no_proxy"] == "127.0.0.1"


def test_without_a_proxy_nothing_changes() -> None:
    env = literal(NO_PROXY="a")
    assert bypass_loopback(env) == (env, [])


def test_a_list_that_covers_loopback_stays() -> None:
    for text in ("*", "a, 127.0.0.1", "127.0.0.0/8", "127.0.0.1 b"):
        env = literal(HTTP_PROXY="x", NO_PROXY=text)
        assert bypass_loopback(env) == (env, [])


def test_an_empty_list_becomes_the_loopback_address() -> None:
    for text in ("", ",", " "):
        assert as_dict(bypass_loopback(literal(HTTP_PROXY="x", NO_PROXY=text))[0])["NO_PROXY"] == "127.0.0.1"

"""Client variables: groups, whole or not at all, and what a user's own setting keeps out."""

from typing import Any

from webhook.clients.endpoints import Endpoints
from webhook.clients.no_proxy import bypass_loopback
from webhook.clients.variables import apply, groups
from webhook.identifiers import ConnectorKey
from webhook.pod.endpoints import endpoints
from webhook.pod.request import Request

KEY, UPLOADS = ConnectorKey("team-a", "pypi"), ConnectorKey("b", "b")
TOLD = endpoints(Request(connectors=(KEY,)), {KEY: 28200})
WANTED = groups(TOLD)


def literal(**variables: str) -> list[dict[str, Any]]:
    return [{"name": name, "value": text} for name, text in variables.items()]


def as_dict(env: list[Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in env}


def test_without_pypirc_nothing_is_said_about_uploads() -> None:
    told = endpoints(Request(connectors=(KEY,), configurations=("pipconf",)), {KEY: 28200})
    assert list(groups(told)) == ["pip", "uv index", "pdm index", "pipenv", "virtualenv"]


def test_without_pipconf_nothing_is_said_about_the_index() -> None:
    told = endpoints(Request(connectors=(KEY,), configurations=("pypirc",)), {KEY: 28200})
    assert list(groups(told)) == ["uv publish", "twine", "flit", "hatch", "pdm publish", "poetry publish"]


def test_the_files_may_lie_elsewhere() -> None:
    assert groups(TOLD, config_dir="/tmp/x")["pip"]["PIP_CONFIG_FILE"] == "/tmp/x/pip.conf"


def test_uploads_go_to_the_publish_connector_alone() -> None:
    request = Request(connectors=(KEY,), publish_connector=UPLOADS)
    found = groups(endpoints(request, {KEY: 28200, UPLOADS: 28300}))
    assert found["uv index"]["UV_DEFAULT_INDEX"] == "http://127.0.0.1:28200/simple/"
    assert found["uv publish"]["UV_PUBLISH_CHECK_URL"] == "http://127.0.0.1:28300/simple/"
    assert found["twine"]["TWINE_REPOSITORY_URL"] == "http://127.0.0.1:28300/"


def test_every_group_goes_in_and_a_second_pass_changes_nothing() -> None:
    once, theirs = apply(literal(A="1"), WANTED)
    assert once[0] == {"name": "A", "value": "1"}
    assert as_dict(once[1:]) == {name: text for group in WANTED.values() for name, text in group.items()}
    assert theirs == []
    assert apply(once, WANTED) == (once, [])


def test_one_variable_of_the_users_keeps_its_whole_group_out_and_no_other() -> None:
    for group, values in WANTED.items():
        for name in values:
            env, theirs = apply(literal(**{name: "https://own.example/"}), WANTED)
            assert theirs == [f"{name} ({group})"]
            assert as_dict(env)[name] == "https://own.example/"
            assert not (set(as_dict(env)) & set(values)) - {name}
            assert set(as_dict(env)) >= {other for key in WANTED if key != group for other in WANTED[key]}


def test_a_reference_is_the_users_even_where_its_name_is_ours() -> None:
    entry = {"name": "TWINE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    env, theirs = apply([entry], WANTED)
    assert env[0] == entry
    assert theirs == ["TWINE_PASSWORD (twine)"]


def test_rivals_that_a_client_refuses_beside_ours_count_too() -> None:
    env, theirs = apply(literal(UV_PUBLISH_USERNAME="me", TWINE_REPOSITORY="testpypi"), WANTED)
    assert theirs == ["UV_PUBLISH_USERNAME (uv publish)", "TWINE_REPOSITORY (twine)"]
    assert "UV_PUBLISH_TOKEN" not in as_dict(env)
    assert "TWINE_REPOSITORY_URL" not in as_dict(env)


def test_a_registry_of_the_users_on_loopback_is_the_users() -> None:
    _, theirs = apply(literal(PIP_INDEX_URL="http://127.0.0.1:3141/root/pypi/+simple/"), WANTED)
    assert theirs == ["PIP_INDEX_URL (pip)"]


def test_a_stale_value_of_ours_is_mended_where_it_stands() -> None:
    env = literal(PIP_INDEX_URL="http://127.0.0.1:28999/simple/", B="2")
    assert apply(env, WANTED)[0][:2] == literal(PIP_INDEX_URL="http://127.0.0.1:28200/simple/", B="2")


def test_a_port_of_the_authors_choice_is_ours_on_the_second_pass() -> None:
    wanted = groups(endpoints(Request(connectors=(KEY,)), {KEY: 8123}))
    once, _ = apply([], wanted)
    assert apply(once, wanted) == (once, [])


def test_a_group_that_is_not_wanted_any_more_is_taken_out_whole() -> None:
    once, _ = apply(literal(A="1"), WANTED)
    assert apply(once, {}) == (literal(A="1"), [])


def test_a_single_variable_that_looks_like_ours_is_left_where_nothing_is_wanted() -> None:
    env = literal(TWINE_PASSWORD="unused", FLIT_USERNAME="me")
    assert apply(env, {}) == (env, [])


def test_no_endpoint_no_group() -> None:
    assert groups(Endpoints(None, None, None)) == {}


def test_a_proxy_does_not_get_requests_for_the_loopback_interface() -> None:
    env = literal(http_proxy="http://p", NO_PROXY=".svc")
    assert as_dict(bypass_loopback(env)[0])["NO_PROXY"] == ".svc,127.0.0.1"
    assert "no_proxy" not in as_dict(bypass_loopback(env)[0])
    assert as_dict(bypass_loopback(literal(ALL_PROXY="x"))[0])["no_proxy"] == "127.0.0.1"


def test_no_proxy_no_change() -> None:
    env = literal(NO_PROXY="a")
    assert bypass_loopback(env) == (env, [])


def test_what_already_spares_loopback_is_left_alone() -> None:
    for text in ("*", "a, 127.0.0.1", "127.0.0.0/8", "127.0.0.1 b"):
        env = literal(HTTP_PROXY="x", NO_PROXY=text)
        assert bypass_loopback(env) == (env, [])


def test_an_empty_list_becomes_the_loopback_address() -> None:
    for text in ("", ",", " "):
        assert as_dict(bypass_loopback(literal(HTTP_PROXY="x", NO_PROXY=text))[0])["NO_PROXY"] == "127.0.0.1"

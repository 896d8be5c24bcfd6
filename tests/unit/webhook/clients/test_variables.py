"""Client variables: complete groups, and the user's own variables that keep a group out."""

from typing import Any

from webhook.clients.endpoints import Endpoints
from webhook.clients.no_proxy import bypass_loopback
from webhook.clients.variables import apply, groups
from webhook.identifiers import ConnectorKey
from webhook.pod.endpoints import endpoints
from webhook.pod.request import Request

KEY, UPLOADS = ConnectorKey("team-a", "pypi"), ConnectorKey("b", "b")
ENDPOINTS = endpoints(Request(connectors=(KEY,)), {KEY: 28200})
WANTED = groups(ENDPOINTS)


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
    request = Request(connectors=(KEY,), publish_connector=UPLOADS)
    variables = groups(endpoints(request, {KEY: 28200, UPLOADS: 28300}))
    assert variables["uv index"]["UV_DEFAULT_INDEX"] == "http://127.0.0.1:28200/simple/"
    assert variables["uv publish"]["UV_PUBLISH_CHECK_URL"] == "http://127.0.0.1:28300/simple/"
    assert variables["twine"]["TWINE_REPOSITORY_URL"] == "http://127.0.0.1:28300/"


def test_every_group_goes_in_and_a_second_pass_changes_nothing() -> None:
    once, blocked_by = apply(literal(A="1"), WANTED)
    assert once[0] == {"name": "A", "value": "1"}
    assert as_dict(once[1:]) == {name: text for group in WANTED.values() for name, text in group.items()}
    assert blocked_by == []
    assert apply(once, WANTED) == (once, [])


def test_a_variable_of_the_user_keeps_out_its_whole_group_and_no_other() -> None:
    for group, values in WANTED.items():
        for name in values:
            env, blocked_by = apply(literal(**{name: "https://own.example/"}), WANTED)
            assert blocked_by == [f"{name} ({group})"]
            assert as_dict(env)[name] == "https://own.example/"
            assert not (set(as_dict(env)) & set(values)) - {name}
            assert set(as_dict(env)) >= {other for key in WANTED if key != group for other in WANTED[key]}


def test_a_reference_belongs_to_the_user_even_under_our_name() -> None:
    entry = {"name": "TWINE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    env, blocked_by = apply([entry], WANTED)
    assert env[0] == entry
    assert blocked_by == ["TWINE_PASSWORD (twine)"]


def test_a_rival_variable_keeps_its_group_out_too() -> None:
    env, blocked_by = apply(literal(UV_PUBLISH_USERNAME="me", TWINE_REPOSITORY="testpypi"), WANTED)
    assert blocked_by == ["UV_PUBLISH_USERNAME (uv publish)", "TWINE_REPOSITORY (twine)"]
    assert "UV_PUBLISH_TOKEN" not in as_dict(env)
    assert "TWINE_REPOSITORY_URL" not in as_dict(env)


def test_a_loopback_url_outside_our_ports_belongs_to_the_user() -> None:
    _, blocked_by = apply(literal(PIP_INDEX_URL="http://127.0.0.1:3141/root/pypi/+simple/"), WANTED)
    assert blocked_by == ["PIP_INDEX_URL (pip)"]


def test_a_stale_value_of_ours_is_updated_in_its_place() -> None:
    env = literal(PIP_INDEX_URL="http://127.0.0.1:28999/simple/", B="2")
    assert apply(env, WANTED)[0][:2] == literal(PIP_INDEX_URL="http://127.0.0.1:28200/simple/", B="2")


def test_a_second_pass_recognises_a_port_by_annotation() -> None:
    wanted = groups(endpoints(Request(connectors=(KEY,)), {KEY: 8123}))
    once, _ = apply([], wanted)
    assert apply(once, wanted) == (once, [])


def test_an_unwanted_group_is_removed_as_a_whole() -> None:
    once, _ = apply(literal(A="1"), WANTED)
    assert apply(once, {}) == (literal(A="1"), [])


def test_an_incomplete_unwanted_group_stays() -> None:
    env = literal(TWINE_PASSWORD="unused", FLIT_USERNAME="me")
    assert apply(env, {}) == (env, [])


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

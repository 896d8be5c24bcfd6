"""Variables that name a source of packages beside the connector's index, in the spellings of pip and uv."""

from typing import Any

import pytest

from webhook.clients.no_proxy import proxies_without_exception
from webhook.clients.sources import further_sources, shuts_out_every_index

INDEX = "http://127.0.0.1:28200/simple/"
REFERENCE = {"name": "UV_INDEX", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}


def entry(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIP_EXTRA_INDEX_URL", "https://pypi.org/simple"),
        ("PIP_EXTRA_INDEX_URL", f"{INDEX} https://pypi.org/simple"),
        ("PIP_EXTRA_INDEX_URL", "http://127.0.0.1:28999/simple/"),
        ("PIP_extra-index-url", "https://pypi.org/simple"),
        ("PIP_EXTRA_INDEX_URL", "$(MIRROR)"),
        ("PIP_EXTRA_INDEX_URL", "/srv/index"),
        ("PIP_FIND_LINKS", "https://download.example/torch.html"),
        ("PIP_FIND_LINKS", "/wheels https://download.example/"),
        ("PIP_FIND_LINKS", "$(WHEELS)"),
        ("UV_INDEX", "https://pypi.org/simple"),
        ("UV_INDEX", "own=https://pypi.org/simple"),
        ("UV_EXTRA_INDEX_URL", "https://pypi.org/simple"),
        ("UV_FIND_LINKS", "/wheels,https://download.example/"),
        ("UV_TORCH_BACKEND", "cpu"),
    ],
)
def test_a_further_source_is_named(name: str, value: str) -> None:
    assert further_sources([entry("A", "1"), entry(name, value)], INDEX) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIP_EXTRA_INDEX_URL", ""),
        ("PIP_EXTRA_INDEX_URL", INDEX),
        ("PIP_FIND_LINKS", " "),
        ("PIP_FIND_LINKS", "/wheels wheels"),
        ("PIP_FIND_LINKS", "file:///wheels"),
        ("UV_FIND_LINKS", "/wheels,/more"),
        ("UV_INDEX", ""),
        ("UV_INDEX", f"team={INDEX}"),
        ("UV_DEFAULT_INDEX", "https://pypi.org/simple"),
        ("pip_extra_index_url", "https://pypi.org/simple"),
        ("uv_index", "https://pypi.org/simple"),
    ],
)
def test_a_variable_that_brings_no_further_source_is_not_named(name: str, value: str) -> None:
    assert further_sources([entry(name, value)], INDEX) == []


def test_a_reference_may_hold_any_source() -> None:
    assert further_sources([REFERENCE], INDEX) == ["UV_INDEX"]


def test_only_the_clients_that_are_asked_about_count() -> None:
    env = [entry("PIP_EXTRA_INDEX_URL", "https://a"), entry("UV_INDEX", "https://a")]
    assert further_sources(env, INDEX, groups=["uv index"]) == ["UV_INDEX"]


def test_pips_own_proxy_is_found_in_any_spelling() -> None:
    env = [entry("PIP_PROXY", "http://p"), entry("PIP_proxy", "http://p"), entry("PIP_PROXY", "")]
    assert proxies_without_exception(env) == ["PIP_PROXY", "PIP_proxy"]


def test_pip_without_any_index_is_found() -> None:
    env = [entry("PIP_NO_INDEX", text) for text in ("1", "true", "0", "false", "", "no")]
    assert list(shuts_out_every_index(env)) == ["PIP_NO_INDEX", "PIP_NO_INDEX"]

"""Files of uv and pdm that lead to other sources than the connector."""

import tomllib

import pytest

from webhook.clients.settings_files import hindrances_of_uv, sources_of_pdm, sources_of_uv

FURTHER = {
    "index": '[[index]]\nurl = "https://a"\n',
    "extra-index-url": 'extra-index-url = ["https://a"]\n',
    "find-links": 'find-links = ["/wheels", "https://a"]\n',
    "pip.extra-index-url": '[pip]\nextra-index-url = ["https://a"]\n',
    "pip.find-links": '[pip]\nfind-links = ["https://a"]\n',
    "pip.torch-backend": '[pip]\ntorch-backend = "cpu"\n',
}


@pytest.mark.parametrize("option", FURTHER)
def test_an_option_of_uv_that_brings_a_source_is_named(option: str) -> None:
    assert sources_of_uv(tomllib.loads(FURTHER[option])) == [option]


@pytest.mark.parametrize(
    "text",
    [
        "",
        'index-url = "https://a"\n',
        '[[index]]\nurl = "https://a"\ndefault = true\n',
        '[[index]]\nname = "a"\nurl = "https://a"\nexplicit = true\n',
        'find-links = ["/wheels"]\n',
        "extra-index-url = []\n",
        'pip = "not a table"\nindex = "not a list"\n',
        '[pip]\nindex-url = "https://a"\n',
    ],
)
def test_an_option_of_uv_that_ours_outweighs_is_not(text: str) -> None:
    assert sources_of_uv(tomllib.loads(text)) == []


def test_an_option_with_which_uv_does_not_reach_the_connector_is_named() -> None:
    text = 'http-proxy = "http://p"\nhttps-proxy = "http://p"\n[pip]\nno-index = true\n'
    assert hindrances_of_uv(tomllib.loads(text)) == ["http-proxy", "pip.no-index"]
    assert hindrances_of_uv(tomllib.loads("no-index = false\n")) == []


def test_a_further_index_of_pdm_is_named() -> None:
    text = '[pypi]\nurl = "https://a"\nverify_ssl = false\n[pypi.extra]\nurl = "https://b"\n'
    assert sources_of_pdm(tomllib.loads(text)) == ["pypi.extra"]
    assert sources_of_pdm(tomllib.loads('[repository.own]\nurl = "https://a"\n')) == []

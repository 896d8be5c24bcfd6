"""What people call a Connector."""

from typing import Any

import pytest

from webhook.connector.description import described

NAME, TEXT = "cpaas.io/display-name", "cpaas.io/description"


@pytest.mark.parametrize(
    ("annotations", "shown"),
    [
        ({NAME: "Team PyPI", TEXT: "for builds"}, "Team PyPI: for builds"),
        ({TEXT: "  for\n builds "}, "for builds"),
        ({NAME: "Team PyPI"}, "Team PyPI"),
        ({NAME: "", TEXT: " "}, ""),
        ({NAME: 3, TEXT: None}, ""),
        ({TEXT: "x" * 300}, "x" * 255 + "…"),
        ({}, ""),
        (None, ""),
        ([], ""),
    ],
)
def test_a_connector_is_described_in_one_line(annotations: Any, shown: str) -> None:
    assert described({"metadata": {"annotations": annotations}}) == shown

"""Switches of the test run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-cases", action="store_true", help="rewrite the expectations of tests/cases; read the diff"
    )

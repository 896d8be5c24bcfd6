"""Switches of the test run, ports of a test, and the search for a canary password in every log record here.

Logs and answers of other processes are searched where they are started: in `support/sidecars`,
`support/clients` and `tests/clients`.
"""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from support.machine.ports import held_until_the_end

# No test is timed: a busy machine takes any time for an example. (With CI set hypothesis has this by itself.)
settings.register_profile("default", settings.get_profile("default"), deadline=None)

CANARY = "canary"
"""Every password in these tests holds it; no log record may, at any level."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-cases", action="store_true", help="rewrite the expectations of tests/cases; read the diff"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "plants_canary: logs a password on purpose, to see that it is found")


@pytest.fixture(autouse=True)
def ports_of_the_test() -> Iterator[None]:
    """A test keeps its ports until it ends; a fixture of a wider scope keeps its own."""
    with held_until_the_end():
        yield


@pytest.fixture(autouse=True)
def no_password_in_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Everything that is logged in this process, with all fields, from DEBUG on."""
    caplog.set_level(logging.DEBUG)
    yield
    if request.node.get_closest_marker("plants_canary") is None:
        assert [record.name for record in caplog.get_records("call") if CANARY in str(vars(record))] == []

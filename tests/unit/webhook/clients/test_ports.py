"""Loopback ports: the same for one connector in every Pod."""

import hashlib

import pytest

from webhook.clients.ports import RANGE, allocate, default_port
from webhook.identifiers import ConnectorKey

PYPI, A, B = ConnectorKey("team-a", "pypi"), ConnectorKey("a", "a"), ConnectorKey("b", "b")


def test_the_port_is_the_documented_function_of_the_name() -> None:
    number = int.from_bytes(hashlib.sha256(b"team-a/pypi").digest()[:4], "big")
    assert default_port(PYPI) == 28100 + number % 4000 == 29983


def test_a_port_in_use_gives_way_to_the_next() -> None:
    port = default_port(PYPI)
    assert allocate([PYPI], taken=[port, port + 1]) == {PYPI: port + 2}


def test_the_range_is_a_ring() -> None:
    port = default_port(PYPI)
    taken = range(port, RANGE[-1] + 1)
    assert allocate([PYPI], taken=taken) == {PYPI: RANGE[0]}


def test_connectors_of_one_pod_never_share_a_port() -> None:
    second = default_port(B)
    assert allocate([A, B], first=second) == {A: second, B: second + 1}


def test_a_full_range_is_an_error() -> None:
    with pytest.raises(LookupError, match="no free port from 28100 to 32099"):
        allocate([A], taken=RANGE)

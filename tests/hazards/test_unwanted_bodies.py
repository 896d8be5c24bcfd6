"""Unwanted bodies of redirects and refusals never cost more than a connection."""

import time
from collections.abc import Callable

import pytest

from support.servers.registry import PATIENCE_SECONDS, Call, Registry, Script
from support.sidecars.running import Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
TARGET = "/files/bar-1.0.zip"
LONG_SECONDS = 15.0


def drips(status: int, headers: dict[str, str]) -> Script:
    """Its body comes in single bytes, well before any single read gives up."""

    def script(call: Call) -> None:
        call.start(status, {"Content-Length": "60000", **headers})
        until = time.monotonic() + LONG_SECONDS
        while time.monotonic() < until:
            call.send(b"x")
            time.sleep(0.2)

    return script


UNWANTED: dict[str, Callable[[], Script]] = {
    "of a redirect": lambda: drips(302, {"Location": TARGET}),
    "of a refusal": lambda: drips(401, {}),
}


@pytest.mark.parametrize("script", UNWANTED.values(), ids=UNWANTED.keys())
def test_a_body_that_drips_is_not_waited_for(
    registry: Registry, sidecar: Sidecar, script: Callable[[], Script]
) -> None:
    registry.on(WHEEL, script())
    registry.on(TARGET, lambda call: call.reply(200, b"bar"))
    started = time.monotonic()
    reply = sidecar.get(WHEEL)
    assert time.monotonic() - started < LONG_SECONDS / 2
    assert reply.status in (200, 403)


@pytest.mark.parametrize("script", UNWANTED.values(), ids=UNWANTED.keys())
def test_it_keeps_no_place_for_a_client_that_has_left(
    registry: Registry, sidecar: Sidecar, script: Callable[[], Script]
) -> None:
    registry.on(WHEEL, script())
    registry.on(TARGET, lambda call: call.wait_gone() and None)
    with sidecar.connect() as sock:
        sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        registry.wait_for(WHEEL)
    assert registry.gone.wait(PATIENCE_SECONDS)
    sidecar.wait_line(message="request")

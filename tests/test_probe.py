"""Probes against scripted registries: what they ask, what they tell, and how long they wait."""

import asyncio
import base64
import socket
import time
from collections.abc import Sequence

import pytest
from probes import HOST, INDEX, LOOPBACK, PAGE, PATIENCE_SECONDS, answer, at, look
from registry import Call, Registry

from webhook.controller.conditions import Probe

# -- what is told


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (200, "text/html; charset=utf-8", Probe("ok", "status code 200")),
        (200, "application/vnd.pypi.simple.v1+json", Probe("ok", "status code 200")),
        (200, "canary/kind", Probe("unexpected", "status code 200, but not with a page of an index")),
        (401, "text/html", Probe("refused", "status code 401")),
        (403, "text/html", Probe("refused", "status code 403")),
        (404, "text/html", Probe("unexpected", "status code 404")),
        (500, "text/html", Probe("unexpected", "status code 500")),
    ],
)
def test_an_answer_is_told_by_its_status_and_never_quoted(status: int, kind: str, expected: Probe) -> None:
    with Registry() as registry:
        registry.on("*", answer(status, kind))
        assert look(at(registry)) == expected


def test_a_package_that_is_not_there_lets_the_index_speak() -> None:
    with Registry() as registry:
        registry.on(INDEX, answer(200))
        assert look(at(registry)).outcome == "ok"
        assert [one.target for one in registry.requests] == [PAGE, INDEX]


def test_the_credential_and_the_name_are_presented() -> None:
    with Registry() as registry:
        registry.on(PAGE, answer(200))
        look(at(registry))
        [request] = registry.requests
        basic = base64.b64encode(b"robot:canary-password").decode()
        assert request.header("authorization") == f"Basic {basic}"
        assert request.header("host") == f"{HOST}:{registry.port}"


def test_without_a_credential_none_is_presented() -> None:
    with Registry() as registry:
        registry.on(PAGE, answer(200))
        look(at(registry), credential=None)
        assert registry.requests[0].header("authorization") is None


def test_a_refused_credential_is_tried_once() -> None:
    with Registry() as registry:
        registry.on("*", answer(401))
        look(at(registry))
        assert len(registry.requests) == 1


def test_what_speaks_no_http_is_not_quoted() -> None:
    with Registry() as registry:
        registry.on("*", lambda call: call.send(b"220 canary SMTP service ready\r\n\r\n"))
        assert look(at(registry)) == Probe("unreachable", "what answers there does not speak HTTP")


def test_a_connection_that_is_closed_without_an_answer_is_told() -> None:
    with Registry() as registry:
        registry.on("*", lambda call: call.cut())
        assert look(at(registry)).outcome == "unreachable"


def test_nobody_listening_is_told_in_the_words_of_the_system() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
    assert look(f"http://{HOST}:{port}") == Probe("unreachable", "connection refused")


def test_a_name_that_is_unknown_is_told_in_the_words_of_the_system() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert look("https://nowhere.test", resolve=unknown) == Probe("unreachable", "name or service not known")


# -- patience


@pytest.mark.parametrize("place", ["connected", "head begun"])
def test_a_registry_that_hangs_is_left_in_time(place: str) -> None:
    def hang(call: Call) -> None:
        if place == "head begun":
            call.send(b"HTTP/1.1 200 OK\r\nX-")
        call.wait_gone(PATIENCE_SECONDS)

    with Registry() as registry:
        registry.on("*", hang)
        seen = look(at(registry), timeout_seconds=0.5)
        assert seen == Probe("unreachable", "no answer within 0.5 s")


def test_a_head_that_trickles_is_left_in_time() -> None:
    def trickle(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            call.send(b"X: y\r\n")
            time.sleep(0.05)

    with Registry() as registry:
        registry.on("*", trickle)
        assert look(at(registry), timeout_seconds=0.5) == Probe("unreachable", "no answer within 0.5 s")


def test_a_body_without_end_is_not_read() -> None:
    def pour(call: Call) -> None:
        call.start(200, {"Content-Type": "text/html", "Transfer-Encoding": "chunked"})
        while True:
            call.send_chunk(b"x" * 65536)

    with Registry() as registry:
        registry.on("*", pour)
        assert look(at(registry)).outcome == "ok"
        assert registry.gone.wait(PATIENCE_SECONDS)


def test_a_resolver_that_hangs_is_left_in_time() -> None:
    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    seen = look("https://registry.test", resolve=silent, timeout_seconds=0.2)
    assert seen == Probe("unreachable", "no answer within 0.2 s")

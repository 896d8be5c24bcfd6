"""Probes against scripted registries: their requests, their results, and their patience."""

import asyncio
import base64
import contextlib
import socket
import ssl
import time
from collections.abc import Sequence

import pytest

from support.certificates.authority import ca, server_context
from support.components.probes import (
    CANARY_PAGE,
    HOST,
    INDEX,
    LOOPBACK,
    PAGE,
    PATIENCE_SECONDS,
    answer,
    at,
    look,
)
from support.machine.ports import closed_port
from support.machine.times import soon
from support.servers.registry import Call, Registry, Script
from webhook.connector.conditions import Probe

# -- results

NO_INDEX = "status code 200, but no package index: neither HTML nor the JSON of an index"
WEB = "; spec.address is probably that of a web interface"


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (200, "text/html; charset=utf-8", Probe("ok", "status code 200")),
        (200, "application/vnd.pypi.simple.v1+json", Probe("ok", "status code 200")),
        (200, "canary/kind", Probe("foreign", NO_INDEX + WEB)),
        (401, "text/html", Probe("refused", "status code 401")),
        (403, "text/html", Probe("refused", "status code 403")),
        (404, "text/html", Probe("unexpected", "status code 404")),
        (500, "text/html", Probe("unexpected", "status code 500")),
    ],
)
def test_an_answer_is_reported_by_its_status_and_never_quoted(
    status: int, kind: str, expected: Probe
) -> None:
    with Registry() as registry:
        registry.on("*", answer(status, kind))
        assert look(at(registry)) == expected


def test_after_a_missing_package_the_index_decides() -> None:
    with Registry() as registry:
        registry.on(INDEX, answer(200))
        assert look(at(registry)).outcome == "ok"
        assert [request.target for request in registry.requests] == [PAGE, INDEX]


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


# -- secrets of the network


SILENT = "no registry answers at this host and port, or the network does not let the broker through"
STRANGE = "the program at this host and port breaks off the connection, or does not speak HTTP"
STRANGE_TLS = f"{STRANGE}S"


def closed() -> str:
    return f"{HOST}:{closed_port()}"


def test_a_closed_and_a_filtered_port_have_the_same_sentence() -> None:
    """The exact cause is for the product's own log, and for `check`, whose user sees that network anyway."""
    refused = look(f"https://{closed()}")
    with Registry() as registry:
        registry.on("*", lambda call: call.wait_gone(PATIENCE_SECONDS))
        late = look(at(registry), timeout_seconds=0.5)
    with socket.create_server((LOOPBACK, 0), backlog=0) as full:
        port = full.getsockname()[1]
        with contextlib.ExitStack() as stack:
            for _ in range(4):  # the queue is full: the kernel drops further connections, as a firewall would
                sock = stack.enter_context(socket.socket())
                sock.setblocking(False)
                sock.connect_ex((LOOPBACK, port))
            filtered = look(f"http://{HOST}:{port}", timeout_seconds=0.5)
    assert refused == late == filtered == Probe("unreachable", SILENT)
    assert [outcome.cause for outcome in (refused, late, filtered)] == [
        "connection refused",
        "no answer within 0.5 s",
        "no answer within 0.5 s",
    ]


@pytest.mark.parametrize(
    "script",
    [
        lambda call: call.send(b"220 canary SMTP service ready\r\n\r\n"),
        lambda call: call.send(b"SSH-2.0-canary\r\n"),
        lambda call: call.send(b"-ERR canary unknown command\r\n"),
        lambda call: call.send(b"\x00\x01\x02"),
        lambda call: call.cut(),
        lambda call: call.reset(),
    ],
)
def test_all_programs_that_are_no_registry_have_the_same_sentence_and_are_never_quoted(
    script: Script,
) -> None:
    with Registry() as registry:
        registry.on("*", script)
        assert look(at(registry)) == Probe("unreachable", STRANGE)


def test_only_a_tls_failure_of_trust_has_its_own_sentence() -> None:
    """The versions and ciphers that a port takes would reveal the program behind it."""
    without_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mutual = server_context((HOST, "mutual.test"))
    mutual.verify_mode = ssl.CERT_REQUIRED
    for context in (None, without_certificate, mutual):
        with Registry(context) as registry:
            registry.on("*", answer(200))
            seen = look(at(registry).replace("http:", "https:"), ca_bundle=ca())
        assert seen == Probe("unreachable", STRANGE_TLS), seen


def test_an_unknown_name_is_reported_in_the_words_of_the_system() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert look("https://nowhere.test", resolve=unknown) == Probe("unreachable", "name or service not known")


# -- patience


@pytest.mark.parametrize("place", ["connected", "head begun"])
def test_a_registry_that_hangs_is_abandoned_in_time(place: str) -> None:
    def hang(call: Call) -> None:
        if place == "head begun":
            call.send(b"HTTP/1.1 200 OK\r\nX-")
        call.wait_gone(PATIENCE_SECONDS)

    with Registry() as registry:
        registry.on("*", hang)
        seen = look(at(registry), timeout_seconds=0.5)
        assert seen.cause == "no answer within 0.5 s"


def test_a_head_that_trickles_is_abandoned_in_time() -> None:
    def trickle(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            call.send(b"X: y\r\n")
            time.sleep(0.05)

    with Registry() as registry:
        registry.on("*", trickle)
        assert look(at(registry), timeout_seconds=0.5).cause == "no answer within 0.5 s"


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def without_end(piece: bytes, pause_seconds: float = 0) -> Script:
    """Send the piece until the other side leaves. The pause keeps the pieces apart on the way."""

    def send(call: Call) -> None:
        while True:
            call.send(piece)
            time.sleep(pause_seconds)

    return send


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        without_end(CONTINUE * 100),
        without_end(b"HTTP/1.1 103 Early Hints\r\nLink: canary\r\n\r\n" * 100),
        without_end(CONTINUE, 0.0005),
    ],
)
def test_endless_interim_answers_are_abandoned_soon(script: Script, is_tls: bool) -> None:
    """Each head costs CPU. The time limit alone would allow ten seconds of CPU for each probe."""
    with Registry(server_context((HOST,)) if is_tls else None) as registry:
        registry.on("*", script)
        with soon(30):
            seen = look(at(registry), ca_bundle=ca() if is_tls else None, timeout_seconds=60)
        assert seen == Probe("unreachable", STRANGE_TLS if is_tls else STRANGE)


def test_a_large_page_in_a_single_write_is_a_page() -> None:
    """The limit is for the head: a body that comes with it does no harm, and its beginning is enough."""
    with Registry() as registry:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4000000\r\n\r\n"
        registry.on(PAGE, lambda call: call.send(head + CANARY_PAGE.ljust(4_000_000)))
        assert look(at(registry)).outcome == "ok"


def test_a_resolver_that_hangs_is_abandoned_in_time() -> None:
    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    seen = look("https://registry.test", resolve=silent, timeout_seconds=0.2)
    assert seen.cause == "no answer within 0.2 s"

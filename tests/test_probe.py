"""Probes against scripted registries: what they tell, what they never ask, and where they never connect."""

import asyncio
import base64
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from authority import ca, server_context
from plain_authority import create_plain_authority, issue_plain_leaf
from registry import Call, Registry

from sidecar.contract import Credential, Secret
from webhook import manifests
from webhook.connectors import parse_connector
from webhook.controller.conditions import Probe
from webhook.controller.probe import Resolve, probe, resolve_by_system

HOST = "registry.test"
LOOPBACK = "127.0.0.1"
NOT_LISTENING = "127.0.0.2"  # the scripted registries listen on 127.0.0.1 alone
PAGE = "/simple/pypi-connector-probe/"
INDEX = "/simple/"
PATIENCE_SECONDS = 20.0
CREDENTIAL = Credential("robot", Secret("canary-password"))


class Names:
    """A resolver by script: each question takes the next answer, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def look(
    address: str,
    *,
    resolve: Resolve | None = None,
    credential: Credential | None = CREDENTIAL,
    ca_bundle: str | None = None,
    is_loopback_allowed: bool = True,
    timeout_seconds: float = PATIENCE_SECONDS,
) -> Probe:
    manifest = {
        "metadata": {"namespace": "a", "name": "pypi"},
        "spec": {"connectorClassName": "pypi", "address": address},
    }
    begun = time.monotonic()
    seen = asyncio.run(
        probe(
            manifests.Registry(parse_connector(manifest), credential, ca_bundle),
            resolve=resolve or Names([LOOPBACK]),
            is_loopback_allowed=is_loopback_allowed,
            timeout_seconds=timeout_seconds,
        )
    )
    assert time.monotonic() - begun < timeout_seconds + PATIENCE_SECONDS / 2
    assert "canary" not in repr(seen)
    return seen


def at(registry: Registry, host: str = HOST) -> str:
    return registry.origin.replace(LOOPBACK, host)


def answer(status: int, kind: str = "text/html", **headers: str) -> Callable[[Call], None]:
    return lambda call: call.reply(status, b"canary of the answer", {"Content-Type": kind, **headers})


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


# -- certificates


def test_a_certificate_is_verified_for_the_name_and_not_for_the_address() -> None:
    with Registry(server_context((HOST,))) as registry:
        registry.on(PAGE, answer(200))
        assert look(at(registry), ca_bundle=ca()).outcome == "ok"
        detail = look(registry.origin, ca_bundle=ca()).detail
    assert detail.startswith("certificate verify failed: ")
    assert "127.0.0.1" in detail


def test_a_certificate_for_the_address_alone_does_not_speak_for_the_name() -> None:
    with Registry(server_context((LOOPBACK,))) as registry:
        assert "certificate verify failed: Hostname mismatch" in look(at(registry), ca_bundle=ca()).detail


@pytest.mark.parametrize("ca_bundle", [None, ca("another")])
def test_a_certificate_of_an_unknown_authority_is_told_before_any_credential_is_sent(
    ca_bundle: str | None,
) -> None:
    with Registry(server_context((HOST,))) as registry:
        seen = look(at(registry), ca_bundle=ca_bundle)
        assert seen.outcome == "unreachable"
        assert seen.detail.startswith("certificate verify failed: ")
        assert registry.requests == []


def test_an_expired_certificate_is_told() -> None:
    with Registry(server_context((HOST,), is_expired=True)) as registry:
        detail = look(at(registry), ca_bundle=ca()).detail
    assert detail == "certificate verify failed: certificate has expired"


def test_a_private_authority_without_recommended_extensions_is_trusted(tmp_path: Path) -> None:
    """Python 3.13's default refuses it; the sidecar does not, and what it installs from is Ready."""
    now = datetime.now(UTC)
    authority = create_plain_authority(now)
    leaf = issue_plain_leaf(authority, (HOST,), now)
    pair = tmp_path / "pair.pem"
    pair.write_text(leaf.certificate + leaf.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    with Registry(context) as registry:
        registry.on(PAGE, answer(200))
        assert look(at(registry), ca_bundle=authority.certificate).outcome == "ok"


def test_plain_http_on_the_port_of_tls_is_told() -> None:
    with Registry() as registry:
        seen = look(at(registry).replace("http:", "https:"))
    assert seen.outcome == "unreachable"
    assert "tls" in seen.detail or "ssl" in seen.detail or "version" in seen.detail


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


# -- where it never connects


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/", "/elsewhere/", "//other.test/"])
def test_a_redirect_is_not_followed(location: str) -> None:
    with Registry() as registry:
        registry.on("*", answer(302, Location=location))
        names = Names([LOOPBACK])
        assert look(at(registry), resolve=names) == Probe("unexpected", "status code 302")
        assert [one.target for one in registry.requests] == [PAGE, INDEX]
        assert len(names.asked) == 1


def test_a_name_is_resolved_once_for_both_questions() -> None:
    """DNS rebinding: the second answer would be another address."""
    with Registry() as registry:
        registry.on(INDEX, answer(200))
        names = Names([LOOPBACK], ["169.254.169.254"])
        assert look(at(registry), resolve=names).outcome == "ok"
        assert names.asked == [(HOST, registry.port)]


@pytest.mark.parametrize(
    "addresses",
    [[LOOPBACK], ["::ffff:127.0.0.1"], ["10.0.0.1", LOOPBACK], [LOOPBACK, "10.0.0.1"], ["169.254.169.254"]],
)
def test_a_name_that_leads_into_the_node_is_never_connected_to(addresses: Sequence[str]) -> None:
    with Registry() as registry:
        registry.on("*", answer(200))
        seen = look(at(registry), resolve=Names(addresses), is_loopback_allowed=False)
        assert seen.outcome == "unreachable"
        assert "no registry is asked there" in seen.detail
        assert registry.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "127.1", "2130706433", "0x7f000001"]
)
def test_no_way_to_write_loopback_leads_there(host: str) -> None:
    """With the system's own resolver, which knows more ways than this test."""
    with Registry() as registry:
        registry.on("*", answer(200))
        seen = look(at(registry, host), resolve=resolve_by_system, is_loopback_allowed=False)
        assert seen.outcome == "unreachable"
        assert "no registry is asked there" in seen.detail or "name" in seen.detail
        assert registry.connections == 0


def test_the_metadata_service_is_not_asked_on_a_laptop_either() -> None:
    seen = look("http://169.254.169.254")
    assert seen.detail == "169.254.169.254 is a link-local address: no registry is asked there"


def test_the_next_address_is_tried_where_nobody_listens_on_the_first() -> None:
    with Registry() as registry:
        registry.on("*", answer(200))
        assert look(at(registry), resolve=Names([NOT_LISTENING, LOOPBACK])).outcome == "ok"


def test_a_certificate_that_is_not_trusted_is_not_looked_for_elsewhere() -> None:
    with Registry(server_context((HOST,))) as registry:
        look(at(registry), resolve=Names([LOOPBACK, LOOPBACK]), ca_bundle=ca("another"))
        assert registry.connections == 1


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with Registry() as registry, Registry() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        registry.on("*", answer(200))
        assert look(at(registry)).outcome == "ok"
        assert proxy.connections == 0

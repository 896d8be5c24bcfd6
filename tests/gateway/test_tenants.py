"""Tenants share a process and nothing else: slow, hostile and crowded ones hold up no other."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from sidecar.gateway.server import IDLE_LIMIT
from support.certificates.authority import server_context
from support.servers.registry import Call, Registry
from support.sidecars.gateways import PREFIX, TOKEN, Gateway, GatewayBroker, basic, running_gateway, token
from support.sidecars.running import grant

WHEEL = "/files/foo-1.0-py3-none-any.whl"
SOON_SECONDS = 3.0
THEIRS = token("other/builder")
THEIR_HOST = "c-pypi.other.svc"


@pytest.fixture
def other(broker: GatewayBroker) -> Iterator[Registry]:
    """The registry of another tenant."""
    with Registry(server_context()) as registry:
        given = grant(registry, max_connections=400)
        broker.allow("other/pypi", THEIRS, GatewayGrant(given, "other/builder", 3600.0))
        yield registry


def request(host: str, presented: str, target: str = WHEEL) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {basic(presented)}\r\n\r\n".encode()


def open_requests(stack: ExitStack, gateway: Gateway, count: int, data: bytes) -> list[socket.socket]:
    socks = [stack.enter_context(gateway.connect()) for _ in range(count)]
    for sock in socks:
        sock.sendall(data)
    return socks


def assert_served_soon(registry: Registry, gateway: Gateway) -> None:
    registry.on("*", lambda call: call.reply(200, b"wheel"))
    for _ in range(3):
        started = time.monotonic()
        assert gateway.ask_as(TOKEN, WHEEL).body == b"wheel"
        assert time.monotonic() - started < SOON_SECONDS


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_registry_that_never_answers_holds_up_its_own_clients_only(
    registry: Registry, other: Registry, gateway: Gateway
) -> None:
    other.on("*", lambda call: call.wait_gone() and None)
    with ExitStack() as stack:
        open_requests(stack, gateway, 400, request(THEIR_HOST, THEIRS))
        wait_for(lambda: len(other.requests) >= 100)
        assert_served_soon(registry, gateway)
        # one client may hold a third of all places, and hears of it
        assert gateway.wait_line(message="request", connector="other/pypi", reason="gateway-busy")


def test_a_registry_that_never_shakes_hands_leaves_threads_for_others(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=500) as silent, Registry(server_context()) as model:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        for number in range(4):
            given = grant(model, index_url=f"{url}/simple/", address=url, max_connections=400)
            broker.allow(f"other/a{number}", THEIRS, GatewayGrant(given, "other/builder", 3600.0))
        with ExitStack() as stack:
            for number in range(4):
                open_requests(stack, gateway, 100, request(f"c-a{number}.other.svc", THEIRS))
            time.sleep(1.0)  # until the threads are taken
            assert_served_soon(registry, gateway)


def test_a_thousand_idle_and_two_hundred_busy_clients_of_others(
    registry: Registry, other: Registry, gateway: Gateway
) -> None:
    go_on = threading.Event()

    def endless(call: Call) -> None:
        call.start(200, {"Content-Length": str(1 << 40)})
        with contextlib.suppress(OSError):
            while not go_on.is_set():
                call.send(b"x" * 65536)

    other.on("*", endless)
    try:
        with ExitStack() as stack:
            for _ in range(1000):
                stack.enter_context(gateway.connect())
            open_requests(stack, gateway, 200, request(THEIR_HOST, THEIRS))
            wait_for(lambda: len(other.requests) >= 100)
            assert_served_soon(registry, gateway)
    finally:
        go_on.set()


def test_what_a_page_of_one_connector_lists_opens_nothing_at_another(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    """Also where both have the same address: each reads the page itself."""
    outside = "/elsewhere/foo-1.0.tar.gz"
    page = f'<a href="{outside}">foo-1.0.tar.gz</a>'.encode()
    registry.on("/a/simple/foo/", lambda call: call.reply(200, page, {"Content-Type": "text/html"}))
    registry.on(outside, lambda call: call.reply(200, b"file"))
    address = f"{registry.origin}/a/"
    for name in ("a", "b"):
        broker.allow(f"team/{name}", TOKEN, grant(registry, index_url=f"{address}simple/", address=address))
    assert gateway.ask_as(TOKEN, "/a/simple/foo/", host="c-a.team.svc").status == 200
    assert gateway.ask_as(TOKEN, outside, host="c-a.team.svc").body == b"file"
    registry.on("/a/simple/foo/", lambda call: call.reply(200, b"", {"Content-Type": "text/html"}))
    assert gateway.ask_as(TOKEN, outside, host="c-b.team.svc").status == 404
    assert gateway.ask_as(TOKEN, outside, host="c-a.team.svc").body == b"file"
    connections = {request.connection for request in registry.requests}
    assert len(connections) == 2  # neither uses what the other has opened


def test_the_limit_of_a_connector_holds_over_all_its_clients(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    together = []
    lock, release = threading.Lock(), threading.Event()

    def hold(call: Call) -> None:
        with lock:
            together.append(1)
        release.wait(10)
        call.reply(200, b"wheel")

    assert_served_soon(registry, gateway)  # the first request with a credential goes alone
    registry.on("*", hold)
    tokens = [token(f"team/a{number}") for number in range(6)]
    for number, presented in enumerate(tokens):
        given = grant(registry, max_connections=2)
        broker.allow("team/pypi", presented, GatewayGrant(given, f"team/a{number}", 3600.0))
    with ThreadPoolExecutor(6) as pool:
        replies = [pool.submit(gateway.ask_as, presented, WHEEL) for presented in tokens]
        time.sleep(1.0)
        held = len(together)
        release.set()
        assert [reply.result().status for reply in replies] == [200] * 6
    assert held == 2


def test_made_up_tokens_are_a_flood_to_nobody_but_their_senders(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    assert_served_soon(registry, gateway)
    before = len(broker.requests)
    with ThreadPoolExecutor(16) as pool:
        made_up = [token(f"team/a{number}") for number in range(300)]
        replies = list(pool.map(lambda presented: gateway.ask_as(presented, WHEEL), made_up))
    assert {reply.status for reply in replies} == {401, 503}
    assert len(broker.requests) - before < 60
    assert_served_soon(registry, gateway)


def test_a_made_up_token_that_comes_again_is_no_second_question(
    broker: GatewayBroker, gateway: Gateway
) -> None:
    for _ in range(20):
        assert gateway.ask_as(token("team/made-up", exp=4e9), WHEEL).status == 401
    assert len(broker.requests) <= 2


def test_a_hanging_broker_holds_up_no_client_with_a_grant(
    registry: Registry, broker: GatewayBroker, tmp_path: Path
) -> None:
    stuck = threading.Event()
    broker.allow("team/pypi", TOKEN, grant(registry, soft_seconds=0.5))
    with running_gateway(tmp_path, broker) as gateway:
        assert_served_soon(registry, gateway)
        broker.before = lambda: stuck.wait(30) and None
        try:
            with ThreadPoolExecutor(64) as pool:
                strangers = [token(f"team/a{number}") for number in range(32)]
                asked = [pool.submit(gateway.ask_as, presented, WHEEL) for presented in strangers]
                time.sleep(1.0)
                assert_served_soon(registry, gateway)
                stuck.set()
                assert {reply.result().status for reply in asked} <= {401, 503}
        finally:
            stuck.set()


def test_requests_for_made_up_connectors_make_up_no_counters(gateway: Gateway) -> None:
    for number in range(20):
        gateway.ask_as(token(), WHEEL, host=f"c-a{number}.team.svc")
    text = gateway.health("/metrics").body.decode()
    assert 'connector="a1"' not in text
    assert 'pypi_connector_proxied_requests_total{action="none",connector=""' in text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "0.0.0.0"])
def test_no_connector_leads_into_the_gateways_own_pod_or_node(
    registry: Registry, broker: GatewayBroker, tmp_path: Path, host: str
) -> None:
    url = f"http://{host}:{registry.port}"
    broker.allow("team/pypi", TOKEN, grant(registry, index_url=f"{url}/simple/", address=url, ca=None))
    with running_gateway(tmp_path, broker, GATEWAY_LOOPBACK="") as gateway:
        reply = gateway.ask_as(TOKEN, WHEEL)
        assert reply.status == 502
        assert "the gateway does not connect there" in reply.reason
        upload = gateway.upload(b"x", {"Host": "c-pypi.team", "Authorization": basic(TOKEN)})
        assert (upload.status, "does not connect there" in upload.reason) == (502, True)
    assert registry.connections == 0


def test_a_crowd_of_one_address_displaces_itself(registry: Registry, gateway: Gateway) -> None:
    registry.on("*", lambda call: call.reply(200, b"wheel"))
    with gateway.connect() as mine, ExitStack() as stack:
        mine.sendall(request("c-pypi.team", TOKEN))
        assert b"200" in mine.recv(65536)
        crowd = [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", gateway.port), 10, source_address=("127.0.0.2", 0))
            )
            for _ in range(IDLE_LIMIT + 100)
        ]
        crowd[0].settimeout(10)
        assert crowd[0].recv(1) == b""
        mine.sendall(request("c-pypi.team", TOKEN))
        assert b"200" in mine.recv(65536)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x00" * 100])
@pytest.mark.parametrize("port", ["port", "https_port"])
def test_what_is_no_request_ends_its_connection_and_nothing_else(
    registry: Registry, gateway: Gateway, data: bytes, port: str
) -> None:
    with socket.create_connection(("127.0.0.1", getattr(gateway, port)), 10) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert not sock.recv(4096).startswith(b"HTTP/1.1 2")
    assert_served_soon(registry, gateway)


def test_a_broker_that_turns_strangers_away_is_not_asked_on_and_on(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    """Its answer is no fault of the network: the attempt is spent, and nobody waits for a better one."""
    made_up = [token(f"team/a{number}") for number in range(100)]
    for presented in made_up:
        broker.allow("team/pypi", presented, (429, {"reason": "TooManyFailedTokens", "detail": "too many"}))
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda presented: gateway.ask_as(presented, WHEEL), made_up))
    assert {reply.status for reply in replies} == {503}
    assert len(broker.requests) < 60


def test_a_request_in_a_circle_ends_after_a_few_rounds(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    """Eve's Connector names the gateway, and her Secret a token: one request could take all places."""
    address = f"http://localhost:{gateway.port}{PREFIX}"
    login = Credential("eve", Secret(TOKEN))
    circle = grant(registry, index_url=f"{address}/simple/", address=address, ca=None, credential=login)
    broker.allow("team/pypi", TOKEN, circle)
    assert gateway.ask_as(TOKEN, f"{PREFIX * 12}{WHEEL}", host="pypi.example").status == 508
    gateway.wait_line(message="request", reason="connector-loop")
    assert sum(line["message"] == "request" for line in gateway.lines) <= 4

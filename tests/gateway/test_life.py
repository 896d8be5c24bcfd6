"""A gateway's grants and certificates while it runs, its signals, its metrics, and its end."""

import http.client
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.authority import issue_leaf
from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from support.certificates.authority import HOSTS, authority
from support.machine.networks import run_apart
from support.servers.registry import Call, Registry
from support.sidecars.gateways import (
    HOST,
    PREFIX,
    TOKEN,
    Gateway,
    GatewayBroker,
    basic,
    running_gateway,
    start,
    token,
)
from support.sidecars.running import grant

WHEEL = "/files/foo-1.0-py3-none-any.whl"
REFUSED = (401, {"reason": "TokenNotAuthenticated", "detail": "the token is not valid"})


def serve(registry: Registry, body: bytes = b"wheel") -> None:
    registry.on("*", lambda call: call.reply(200, body))


def test_a_token_that_is_withdrawn_ends_within_the_soft_life(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    serve(registry)
    broker.allow("team/pypi", TOKEN, grant(registry, soft_seconds=0.2))
    assert gateway.ask_as(TOKEN, WHEEL).status == 200
    broker.allow("team/pypi", TOKEN, REFUSED)
    time.sleep(0.3)
    reply = gateway.ask_as(TOKEN, WHEEL)
    assert (reply.status, bool(reply.header("www-authenticate"))) == (401, True)
    assert len(registry.requests) == 1


def test_a_connector_that_changes_or_goes_does_so_within_the_soft_life(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    """And never as 404, at which a client would look for the package elsewhere."""
    serve(registry)
    broker.allow("team/pypi", TOKEN, grant(registry, soft_seconds=0.2))
    assert gateway.ask_as(TOKEN, WHEEL).body == b"wheel"
    with Registry() as other:
        serve(other, b"wheel of another registry")
        broker.allow("team/pypi", TOKEN, grant(other, version="v2", soft_seconds=0.2))
        time.sleep(0.3)
        assert gateway.ask_as(TOKEN, WHEEL).body == b"wheel of another registry"
        absent = {"reason": "ConnectorNotFound", "detail": 'connectors "team/pypi" not found'}
        broker.allow("team/pypi", TOKEN, (404, absent))
        time.sleep(0.3)
        reply = gateway.ask_as(TOKEN, WHEEL)
        assert (reply.status, b"not found" in reply.body) == (403, True)
        assert len(other.requests) == 1
    assert len(registry.requests) == 1


def test_a_grant_ends_with_its_token(registry: Registry, broker: GatewayBroker, gateway: Gateway) -> None:
    """Whatever lives the broker names, and though it cannot be asked."""
    serve(registry)
    broker.life_seconds = 1.0
    assert gateway.ask_as(TOKEN, WHEEL).status == 200
    time.sleep(1.1)
    assert gateway.ask_as(TOKEN, WHEEL).status == 401
    assert len(registry.requests) == 1


def test_a_rotated_secret_is_taken_at_once(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    newer = basic("newer", "robot")

    def check(call: Call) -> None:
        is_newer = call.request.header("authorization") == newer
        call.reply(200 if is_newer else 401, b"wheel")

    serve(registry)
    assert gateway.ask_as(TOKEN, WHEEL).status == 200
    registry.on("*", check)
    broker.allow(
        "team/pypi", TOKEN, grant(registry, version="v2", credential=Credential("robot", Secret("newer")))
    )
    assert gateway.ask_as(TOKEN, WHEEL).body == b"wheel"


def test_with_the_broker_away_a_grant_serves_to_its_hard_life(registry: Registry, tmp_path: Path) -> None:
    serve(registry)
    broker = GatewayBroker()
    with broker:
        broker.allow("team/pypi", TOKEN, grant(registry, soft_seconds=0.1, hard_seconds=8.0))
        with running_gateway(tmp_path, broker) as gateway:
            assert gateway.ask_as(TOKEN, WHEEL).status == 200
            started = time.monotonic()
            broker.__exit__(None, None, None)
            time.sleep(0.2)
            assert gateway.ask_as(TOKEN, WHEEL).status == 200
            stranger = gateway.ask_as(token("team/new"), WHEEL)
            assert (stranger.status, bool(stranger.header("retry-after"))) == (503, True)
            time.sleep(max(0.0, started + 8.1 - time.monotonic()))
            assert gateway.ask_as(TOKEN, WHEEL).status == 503


def test_a_new_certificate_serves_without_a_restart(
    broker: GatewayBroker, gateway: Gateway, tmp_path: Path
) -> None:
    with gateway.connect_tls() as sock:
        before = sock.getpeercert(binary_form=True)
    leaf = issue_leaf(authority("ours"), (*HOSTS, HOST), datetime.now(UTC) + timedelta(seconds=-1))
    for name, text in (("tls.crt", leaf.certificate), ("tls.key", leaf.key)):
        (tmp_path / "tls" / name).write_text(text)
        time.sleep(0.05)
    deadline = time.monotonic() + 15
    while True:
        with gateway.connect_tls() as sock:
            if sock.getpeercert(binary_form=True) != before:
                return
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_it_is_ready_once_it_has_a_certificate(broker: GatewayBroker, tmp_path: Path) -> None:
    with running_gateway(tmp_path, broker, GATEWAY_TLS_DIR=str(tmp_path / "later")) as gateway:
        assert (gateway.health("/healthz").status, gateway.health("/readyz").status) == (200, 503)
        with socket.create_connection(("127.0.0.1", gateway.https_port), 5) as sock:
            assert sock.recv(1) == b""
        (tmp_path / "tls").rename(tmp_path / "later")
        deadline = time.monotonic() + 15
        while gateway.health("/readyz").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_download_ends_whole_after_the_signal_and_others_are_told_to_go(
    registry: Registry, broker: GatewayBroker, tmp_path: Path
) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def slowly(call: Call) -> None:
        call.start(200, {"Content-Length": "2"})
        call.send(b"a")
        begun.set()
        go_on.wait(20)
        call.send(b"b")

    registry.on(WHEEL, slowly)
    registry.on("/files/bar-1.0-py3-none-any.whl", lambda call: call.reply(200, b"bar"))
    with running_gateway(tmp_path, broker, GATEWAY_DRAIN_SECONDS="20") as gateway:
        idle = gateway.connect()
        download = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        download.request("GET", PREFIX + WHEEL, headers={"Authorization": basic(TOKEN)})
        assert begun.wait(10)
        gateway.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert gateway.health("/readyz").status == 503
        assert gateway.health("/healthz").status == 200
        reply = gateway.ask_as(TOKEN, "/files/bar-1.0-py3-none-any.whl")  # it still accepts
        assert (reply.status, reply.header("connection")) == (200, "close")
        time.sleep(6.0)  # a quarter of the time, and some
        assert idle.recv(1) == b""
        idle.close()
        assert gateway.process.poll() is None
        go_on.set()
        assert download.getresponse().read() == b"ab"
        download.close()
        assert gateway.process.wait(10) == 0


def test_the_end_comes_in_time_though_a_client_goes_on(
    registry: Registry, broker: GatewayBroker, tmp_path: Path
) -> None:
    registry.on("*", lambda call: call.wait_gone() and None)
    with (
        running_gateway(tmp_path, broker, GATEWAY_DRAIN_SECONDS="2") as gateway,
        gateway.connect() as sock,
    ):
        head = f"GET {PREFIX}{WHEEL} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(TOKEN)}\r\n\r\n"
        sock.sendall(head.encode())
        time.sleep(0.5)
        started = time.monotonic()
        assert gateway.stop() == 0
        assert 1.5 < time.monotonic() - started < 4.0


def test_a_second_signal_ends_it_at_once(broker: GatewayBroker, gateway: Gateway) -> None:
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    started = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - started < 2.0


def test_metrics_count_by_connector(registry: Registry, broker: GatewayBroker, gateway: Gateway) -> None:
    serve(registry)
    for _ in range(3):
        gateway.ask_as(TOKEN, WHEEL)
    text = gateway.health("/metrics").body.decode()
    labels = 'action="file",connector="pypi",namespace="team",status_class="2xx",via="gateway"'
    assert f"pypi_connector_proxied_requests_total{{{labels}}} 3.0" in text
    assert f"pypi_connector_proxied_bytes_total{{{labels}}} 15.0" in text
    assert 'pypi_connector_gateway_grants_total{outcome="granted"} 1.0' in text


def test_an_environment_that_cannot_be_used_is_told_as_a_whole(broker: GatewayBroker, tmp_path: Path) -> None:
    process = start({"GATEWAY_HTTP_PORT": "x", "GATEWAY_BROKER_URL": "http://x", "GATEWAY_LOG_LEVEL": "loud"})
    _, text = process.communicate(timeout=20)
    assert process.returncode == 2
    assert all(word in text for word in ("GATEWAY_HTTP_PORT", "GATEWAY_BROKER_URL", "GATEWAY_LOG_LEVEL"))


def test_under_load_no_request_is_lost_to_the_end(
    registry: Registry, broker: GatewayBroker, tmp_path: Path
) -> None:
    """Clients keep their connections as long as they may, and connect anew until nobody listens."""
    serve(registry)
    broker.allow("team/pypi", TOKEN, grant(registry, max_connections=100))
    lost: list[str] = []
    served = [0]

    def ask_on(gateway: Gateway) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        try:
            while True:
                try:
                    connection.connect()
                except ConnectionRefusedError:
                    return
                is_kept = True
                while is_kept:
                    connection.request("GET", PREFIX + WHEEL, headers={"Authorization": basic(TOKEN)})
                    response = connection.getresponse()
                    is_kept = response.getheader("connection") != "close"
                    assert (response.status, response.read()) == (200, b"wheel")
                    served[0] += 1
                connection.close()
        except (AssertionError, OSError, http.client.HTTPException) as error:
            lost.append(repr(error))
        finally:
            connection.close()

    with running_gateway(tmp_path, broker, GATEWAY_DRAIN_SECONDS="8") as gateway:
        assert gateway.ask_as(TOKEN, WHEEL).status == 200
        clients = [threading.Thread(target=ask_on, args=(gateway,)) for _ in range(20)]
        for client in clients:
            client.start()
        time.sleep(1.0)
        gateway.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(20)
        assert gateway.process.wait(10) == 0
    assert served[0] > 100
    assert lost == []


def test_it_listens_on_all_addresses_of_both_families(tmp_path: Path) -> None:
    """The kubelet's probes come to the Pod's address, which may be of IPv6 only."""
    run_apart(lambda: ask_by_both_families(tmp_path))


def ask_by_both_families(folder: Path) -> None:
    with GatewayBroker() as broker, running_gateway(folder, broker, GATEWAY_ADDRESS="") as gateway:
        for host in ("127.0.0.1", "::1"):
            for port in (gateway.port, gateway.https_port):
                socket.create_connection((host, port), 5).close()
            connection = http.client.HTTPConnection(host, gateway.health_port, timeout=5)
            connection.request("GET", "/readyz")
            assert connection.getresponse().status == 200
            connection.close()
        gateway.ask_as(None)
        assert gateway.wait_line(message="request", status=401)["peer"] == "127.0.0.1"

"""Admission and broker under floods of an address: memory is bounded, other clients get answers at once."""

import json
import socket
import ssl
import struct
import time
from collections.abc import Iterator

import pytest

from support.components.served import PATIENCE_SECONDS, Served, answer, get, is_gone, post, served
from support.machine.processes import open_files, wait_for_open_files
from webhook.limits.doors import Limits

ATTACKER, VICTIM = "127.0.0.66", "127.0.0.2"
LIMITS = Limits()
ATTEMPTS = 1000
"""More than one peer may hold"""
AT_REST_KIB = 3 * 1024
"""What 1,000 connections that say nothing may take, queues of the loop included"""
PER_TLS_KIB = 150
"""91 at rest, and what those that were replaced leave behind for the garbage collector"""
ANSWER_SECONDS = 4.0
"""For a victim, on a machine that does other things too: the API server waits five"""


@pytest.fixture(scope="module", params=["admission", "broker"])
def component(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param) as process:
        yield process


@pytest.fixture(scope="module")
def admission() -> Iterator[Served]:
    """The same code serves both, so most floods hit only one of them."""
    with served("admission") as process:
        yield process


@pytest.fixture
def fresh() -> Iterator[Served]:
    """Memory of an earlier flood, used again, would hide the growth."""
    with served("admission") as process:
        yield process


def drip(sock: ssl.SSLSocket, byte: int) -> bool:
    """Send a byte and wait a fifth of a second. True if the connection has ended by then."""
    try:
        sock.sendall(bytes([byte]))
    except OSError:
        return True
    return is_gone(sock, seconds=0.2)


def close(connections: list[socket.socket]) -> None:
    for connection in connections:
        connection.close()


def still_open(connections: list[socket.socket]) -> int:
    return sum(not is_gone(sock, seconds=0.001) for sock in connections)


def review() -> bytes:
    pod = {
        "metadata": {"name": "p", "annotations": {"connectors.alauda.io/connector": "pypi"}},
        "spec": {"containers": [{"name": "main", "image": "python"}]},
    }
    request = {
        "uid": "1",
        "operation": "CREATE",
        "namespace": "team",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": pod,
    }
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return post("/mutate", json.dumps(document).encode())


def check_victim(component: Served, request: bytes = get("/healthz"), peer: str = VICTIM) -> bytes:
    began = time.monotonic()
    status, body = component.ask(request, peer)
    seconds = time.monotonic() - began
    assert status == 200, body
    assert seconds < ANSWER_SECONDS
    return body


def test_connections_that_say_nothing_cost_next_to_nothing_and_end(component: Served) -> None:
    before, files = component.resident_kib, open_files(component.process.pid)
    silent = [component.connect(ATTACKER) for _ in range(ATTEMPTS)]
    try:
        check_victim(component)
        assert component.resident_kib - before < AT_REST_KIB
        assert open_files(component.process.pid) - files <= LIMITS.connections_per_peer + 1
        assert still_open(silent) <= LIMITS.connections_per_peer
        assert all(map(is_gone, silent))  # by the limit for a head: others are longer than we wait
        wait_for_open_files(component.process.pid, 0, files)
    finally:
        close(silent)


def begin(component: Served, kind: str) -> socket.socket:
    """The part of a request that `kind` names."""
    if kind == "half a greeting":
        plain = component.connect(ATTACKER)
        plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        return plain
    sock = component.connect_tls(ATTACKER)
    if kind == "half a head":
        sock.sendall(b"POST /mutate HTTP/1.1\r\nHost: x\r\nX-Long: ")
    return sock


@pytest.mark.parametrize("kind", ["half a greeting", "a handshake and no head", "half a head"])
def test_connections_that_stop_half_way_are_bounded_and_end(admission: Served, kind: str) -> None:
    before = admission.resident_kib
    begun: list[socket.socket] = []
    try:
        for _ in range(LIMITS.connections_per_peer + 100):
            begun.append(begin(admission, kind))
        check_victim(admission)
        assert admission.resident_kib - before < LIMITS.connections_per_peer * PER_TLS_KIB
        assert still_open(begun) <= LIMITS.connections_per_peer
        assert all(map(is_gone, begun))
    finally:
        close(begun)


def test_a_head_that_drips_on_a_used_connection_ends_too(admission: Served) -> None:
    with admission.connect_tls(ATTACKER) as sock:
        began = time.monotonic()
        sock.sendall(get("/healthz"))
        assert answer(sock)[0] == 200
        assert any(drip(sock, byte) for byte in b"GET /" + b"a" * 100), "it goes on for 20 s"
        assert time.monotonic() - began > LIMITS.head_seconds


ENDLESS = {
    "a field": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000,
    "an address": b"GET /" + b"a" * 200_000,
    "many fields": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 20_000,
    "trailers": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 20_000,
    "chunk extensions": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a" * 200_000,
    "requests ahead of their answers": get("/healthz") * 5000,
}


@pytest.mark.parametrize("path", ["/mutate", "/v1/grants", "/nowhere"])
def test_a_body_in_chunks_is_refused_before_it_is_read(component: Served, path: str) -> None:
    """100 connections that sent chunks of one byte took admission out."""
    fields = "Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
    with component.connect_tls(ATTACKER) as sock:
        sock.sendall(f"POST {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + b"1\r\n \r\n" * 1000)
        status, body = answer(sock)
        assert (status, b"Content-Length" in body) == (411, True)
        assert is_gone(sock)
    check_victim(component)


def test_a_connection_ends_with_an_answer_that_comes_before_the_end_of_the_body(component: Served) -> None:
    """What is sent afterwards is not read."""
    with component.connect_tls(ATTACKER) as sock:
        sock.sendall(post("/nowhere", b"[", length=7_000_000))
        assert answer(sock)[0] == 404
        assert is_gone(sock, seconds=LIMITS.body_seconds / 2)
    with component.connect_tls(ATTACKER) as sock:
        for _ in range(3):
            sock.sendall(post("/nowhere", b"[]"))
            assert answer(sock)[0] == 404, "a connection whose body was read stays"


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_heads_are_cut_off(admission: Served, kind: str) -> None:
    before = admission.resident_kib
    for _ in range(20):
        with admission.connect_tls(ATTACKER) as sock:
            try:
                sock.sendall(ENDLESS[kind])
                sock.settimeout(LIMITS.head_seconds * 0.8)
                while sock.recv(65536):
                    pass
            except TimeoutError:
                pytest.fail("it is still open")
            except OSError:
                pass
    assert admission.resident_kib - before < 8 * 1024
    check_victim(admission)


def test_connections_that_are_reset_after_an_answer_are_forgotten(fresh: Served) -> None:
    """uvicorn remembers each connection for its keep-alive of two minutes."""
    before = fresh.resident_kib
    for _ in range(600):
        with fresh.connect_tls(ATTACKER) as sock:
            sock.sendall(get("/healthz"))
            assert answer(sock)[0] == 200
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert fresh.resident_kib - before < 16 * 1024


def requests_before_the_end(sock: ssl.SSLSocket, most: int) -> int:
    """A client sends reviews, with time for each answer, and reads no answer."""
    sock.settimeout(PATIENCE_SECONDS)
    for number in range(most):
        try:
            sock.sendall(review())
        except OSError:
            return number
        time.sleep(0.02)
    return most


def test_a_client_that_reads_no_answers_is_not_written_to_endlessly(fresh: Served) -> None:
    with fresh.connect_tls(ATTACKER) as sock:
        assert requests_before_the_end(sock, most=400) < 400, "400 answers are 3 MB"
    check_victim(fresh, review())
    assert '"error"' not in fresh.log.read_text()


def test_unfinished_bodies_are_bounded_and_the_victims_review_is_answered(fresh: Served) -> None:
    """120 reviews of 7 MB once ended both replicas."""
    before = fresh.resident_kib
    begun: list[ssl.SSLSocket] = []
    try:
        for _ in range(25):
            sock = fresh.connect_tls(ATTACKER)
            sock.settimeout(2)
            begun.append(sock)
            try:
                sock.sendall(post("/mutate", b"[" * 6_900_000, length=7_000_000))
            except OSError:  # evicted to make room
                continue
        answered = json.loads(check_victim(fresh, review()))
        assert answered["response"]["patch"]
        grown = fresh.resident_kib - before
        assert grown < 110 * 1024
    finally:
        close(list(begun))


def test_behind_the_address_of_an_attacker_a_review_is_answered_too(fresh: Served) -> None:
    """The network hides addresses. Connections with the least progress are evicted first, oldest first."""
    held: list[socket.socket] = []
    try:
        for _ in range(9):
            body = fresh.connect_tls(ATTACKER)
            body.sendall(post("/mutate", b"[" * 6_900_000, length=7_000_000))
            held.append(body)
        held += [fresh.connect(ATTACKER) for _ in range(ATTEMPTS)]
        assert json.loads(check_victim(fresh, review(), ATTACKER))["response"]["patch"]
    finally:
        close(held)


def test_reviews_that_grow_when_they_are_parsed_are_refused_before(fresh: Served) -> None:
    before = fresh.resident_kib
    bomb = post("/mutate", b"[" + b",".join([b"[]"] * 2_000_000) + b"]")
    status, body = fresh.ask(bomb, ATTACKER)
    assert (status, b"memory" in body) == (503, True)
    assert fresh.resident_kib - before < 40 * 1024
    check_victim(fresh, review())


def test_a_flood_is_logged_in_few_lines(fresh: Served) -> None:
    silent = [fresh.connect(ATTACKER) for _ in range(ATTEMPTS)]
    for _ in range(200):
        try:
            with fresh.connect(ATTACKER) as sock:
                sock.sendall(b"\x16nonsense, and no TLS at all")
            with fresh.connect_tls(ATTACKER) as sock:
                sock.sendall(b"nonsense, and no HTTP at all\r\n\r\n")
        except OSError:
            continue
    time.sleep(1)  # for lines that should not come
    [line, *_] = fresh.wait_lines("connections turned away")
    close(silent)
    assert len(fresh.log.read_text().splitlines()) < 10
    counts, most = line["counts"], line["most"]
    assert counts, "the first at once, others in a minute"
    assert isinstance(most, list)
    assert ATTACKER in most[0][0]


def test_requests_that_are_no_reviews_are_logged_in_few_lines(fresh: Served) -> None:
    with fresh.connect_tls(ATTACKER) as sock:
        for number in range(300):
            sock.sendall(post(f"/mutate?{number}", b"{}", f"X-Number: {number}"))
            assert answer(sock)[0] == 400
    assert len(fresh.log.read_text().splitlines()) < 10
    [line] = fresh.lines("admission reviews not usable")
    assert line["counts"] == {"400: the body is no AdmissionReview": 1}, (
        "the first at once, others in a minute"
    )

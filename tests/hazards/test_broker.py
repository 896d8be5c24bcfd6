"""Without a grant: 503 while the broker cannot be reached, 403 with its own sentence when it refuses."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from sidecar.contract.environment import Listener
from sidecar.contract.words import GRANTS_PATH
from support.certificates.authority import ca, server_context
from support.machine.ports import closed_port, free_port
from support.machine.times import soon
from support.servers.registry import Call, Registry
from support.sidecars.grant_servers import Broker
from support.sidecars.running import grant, sidecar_of_broker

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def test_a_broker_that_is_down_is_503_until_it_is_back(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    nowhere = f"https://127.0.0.1:{closed_port()}"
    with (
        Broker(grant(registry)) as broker,
        sidecar_of_broker(tmp_path, broker, broker_url=nowhere) as sidecar,
    ):
        asked = [("GET", WHEEL, None), ("GET", "/simple/foo/", None), ("POST", "/", b"x")]
        with ThreadPoolExecutor() as pool:  # each waits for a while
            replies = list(pool.map(lambda one: sidecar.ask(one[0], one[1], body=one[2]), asked))
        for reply in replies:
            assert reply.status == 503
            assert int(reply.header("retry-after") or 0) > 0
            assert "connection refused" in reply.reason
            assert reply.reason.encode() in reply.body
    assert registry.connections == 0


def test_the_broker_is_asked_as_a_pod_asks(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        assert broker.requests == []  # nothing is fetched before it is needed
        sidecar.get(WHEEL)
        (request,) = broker.requests
        assert (request.method, request.target) == ("POST", GRANTS_PATH)
        assert request.header("authorization") == "Bearer token-of-this-pod"
        asked = {"connector": "team/pypi", "rejected": None, "enforces": ["packages"]}
        assert broker.asked() == [asked]


def test_the_token_is_read_again_each_time(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    with Broker(grant(registry, soft_seconds=0)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        sidecar.get(WHEEL)
        (tmp_path / "token").write_text("rotated")
        sidecar.get(WHEEL)
        assert [one.header("authorization") for one in broker.requests] == [
            "Bearer token-of-this-pod",
            "Bearer rotated",
        ]


def test_a_token_that_is_not_there_yet_is_503(registry: Registry, tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    with (
        Broker(grant(registry)) as broker,
        sidecar_of_broker(tmp_path, broker, token_file=missing) as sidecar,
    ):
        reply = sidecar.get(WHEEL)
        assert reply.status == 503
        assert f"token cannot be read from {missing}" in reply.reason
        assert broker.requests == []


def test_a_refusal_names_its_reason_to_every_kind_of_client(registry: Registry, tmp_path: Path) -> None:
    problem = {"reason": "AccessDenied", "detail": "team/default may not get connectors/proxy pypi"}
    with Broker((403, problem)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        for _ in range(3):
            reply = sidecar.get("/simple/foo/")
            assert reply.status == 403
            assert problem["detail"] in reply.reason
            assert problem["detail"].encode() in reply.body
        assert sidecar.wait_line(message="request")["reason"] == "AccessDenied"
        assert problem["detail"] in sidecar.lines[-1]["detail"]
        assert len(broker.requests) == 1


def test_a_refusal_ends_a_grant_at_once(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    answers = (grant(registry, soft_seconds=0), (403, {"reason": "Gone", "detail": "the Pod has finished"}))
    with Broker(*answers) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        assert [sidecar.get(WHEEL).status for _ in range(3)] == [200, 403, 403]


def test_a_grant_outlives_the_broker_for_its_hard_life(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    answers = (grant(registry, soft_seconds=0), (500, {"detail": "away"}))
    with Broker(*answers) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        assert [sidecar.get(WHEEL).status for _ in range(5)] == [200] * 5
        assert len(broker.requests) == 2  # the others stood back


def test_a_broker_that_is_not_the_right_one_gets_no_token(registry: Registry, tmp_path: Path) -> None:
    with Broker(grant(registry)) as broker:
        with sidecar_of_broker(tmp_path, broker, broker_ca=ca("theirs")) as sidecar:
            reply = sidecar.get(WHEEL)
            assert reply.status == 503
            assert "of an authority that this Pod was not given" in reply.reason
        assert broker.requests == []


def test_an_authority_that_the_broker_announces_is_trusted_from_then_on(
    registry: Registry, tmp_path: Path
) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    first = grant(registry, soft_seconds=0, broker_ca=(ca(), ca("theirs")))
    with Broker(first) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        assert sidecar.get(WHEEL).status == 200
        broker._tls = server_context(signer="theirs")  # its successor's leaf
        assert sidecar.get(WHEEL).status == 200
        assert sidecar.get(WHEEL).status == 200
        assert len(broker.requests) == 3


def test_an_answer_that_breaks_off_is_503(registry: Registry, tmp_path: Path) -> None:
    def breaks(call: Call) -> None:
        call.read_body()
        call.start(200, {"Content-Length": "1000"})
        call.send(b'{"version"')
        call.cut()

    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        broker.on(GRANTS_PATH, breaks)
        assert sidecar.get(WHEEL).status == 503


def test_an_answer_of_another_version_is_503_and_not_quoted(registry: Registry, tmp_path: Path) -> None:
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        broker.on(GRANTS_PATH, lambda call: call.reply(200, b'{"version": "canary-Pa55&word"}'))
        assert sidecar.get(WHEEL).status == 503  # `get` looks for the canary


def test_everybody_waits_for_the_same_first_grant(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    statuses: list[int] = []
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        threads = [
            threading.Thread(target=lambda: statuses.append(sidecar.get(WHEEL).status)) for _ in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 30
        assert len(broker.requests) == 1


def hangs(call: Call) -> None:
    call.read_body()
    call.wait_gone()


def test_while_a_grant_is_renewed_the_one_before_serves_everybody_else(
    registry: Registry, tmp_path: Path
) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with Broker(grant(registry, soft_seconds=0)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        assert sidecar.get(WHEEL).status == 200
        broker.on(GRANTS_PATH, hangs)
        with sidecar.connect() as sock:
            sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            broker.wait_for(GRANTS_PATH, 2)
            for _ in range(20):
                with soon():
                    assert sidecar.get(WHEEL).body == b"wheel"
    assert len(broker.requests) == 2


def test_a_broker_that_hangs_holds_up_nobody_who_has_a_grant(registry: Registry, tmp_path: Path) -> None:
    """The request that asks for the next grant waits a moment for it, and then uses the present grant."""
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with Broker(grant(registry, soft_seconds=0)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        assert sidecar.get(WHEEL).status == 200
        broker.on(GRANTS_PATH, hangs)
        for _ in range(3):
            with soon():
                assert sidecar.get(WHEEL).body == b"wheel"
        broker.wait_for(GRANTS_PATH, 2)


def test_a_broker_that_hangs_for_one_connector_holds_up_no_other(registry: Registry, tmp_path: Path) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    listeners = (Listener("team/works", free_port()), Listener("team/hangs", free_port()))

    def answers_one(call: Call) -> None:
        call.read_body()
        if json.loads(bytes(call.request.body))["connector"] == "team/hangs":
            call.wait_gone()
        else:
            call.reply(200, json.dumps(grant(registry).document()).encode())

    with Broker(grant(registry)) as broker:
        broker.on(GRANTS_PATH, answers_one)
        with sidecar_of_broker(tmp_path, broker, listeners=listeners) as sidecar, ExitStack() as stack:
            for _ in range(30):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", listeners[1].port)))
                sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            broker.wait_for(GRANTS_PATH)
            for _ in range(20):
                with soon():
                    assert sidecar.get(WHEEL).body == b"wheel"
    assert [one["connector"] for one in broker.asked()] == ["team/hangs", "team/works"]


def test_an_answer_of_the_broker_in_single_bytes_is_read(registry: Registry, tmp_path: Path) -> None:
    def drips(call: Call) -> None:
        call.read_body()
        document = json.dumps(grant(registry).document()).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(document)
        for octet in head + document:
            call.send(bytes([octet]))

    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        broker.on(GRANTS_PATH, drips)
        assert sidecar.get(WHEEL).body == b"wheel"

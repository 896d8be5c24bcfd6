"""The registry's 401 among many requests at once, and to clients that never finish what they send."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock

import pytest

from support.servers.accounts import Account
from support.servers.registry import Call, Registry
from support.sidecars.forms import TYPE_LINE
from support.sidecars.running import grant, running_sidecar

CROWD = 32
PATIENCE_SECONDS = 10.0


@pytest.mark.parametrize("count", [5, 20])
def test_all_that_were_refused_among_others_are_served_at_once(
    registry: Registry, tmp_path: Path, count: int
) -> None:
    """Second tries go alone. Each used to wait 2 s for the previous try, from the eleventh on in vain."""
    account, seen, lock, all_here = Account(registry), set[str](), Lock(), Barrier(CROWD)

    def is_refused(path: str) -> bool:
        name = path.strip("/").rpartition("/")[2]
        with lock:
            is_second = name in seen or not name.isdigit()
            seen.add(name)
        if is_second:
            return False
        all_here.wait(PATIENCE_SECONDS)
        return int(name) < count

    account.is_refused = is_refused
    with running_sidecar(tmp_path, grant(registry)) as sidecar, ThreadPoolExecutor(CROWD) as clients:
        assert sidecar.get("/simple/warm/").status == 200
        answers = list(clients.map(lambda number: sidecar.get(f"/simple/{number}/"), range(CROWD)))
    assert {answer.status for answer in answers} == {200}


HEAD = b"POST / HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" + TYPE_LINE
MALFORMED = HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n"


def test_uploads_that_break_off_are_no_free_tries_of_a_wrong_credential(
    registry: Registry, tmp_path: Path
) -> None:
    """The registry has the credential before the body is known to be none."""
    tries: list[str] = []

    def answer(call: Call) -> None:
        tries.append(call.request.target)
        call.start(401, {"WWW-Authenticate": "Basic", "Content-Length": "0"})

    registry.on("*", answer)
    with running_sidecar(tmp_path, grant(registry)) as sidecar:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", sidecar.port)) as client:
                client.sendall(MALFORMED % sidecar.port)
                client.settimeout(PATIENCE_SECONDS)
                assert client.recv(300)
    assert len(tries) <= 4

"""The log line of a request: each request has its line, even if a fault of ours ends it."""

import json
import os
import socket
from typing import Any, NoReturn

import pytest

from sidecar.contract.environment import Listener
from sidecar.exchange.client import Exchange
from sidecar.exchange.proxy import Proxy
from sidecar.exchange.upstream import Upstream
from sidecar.grants.attempts import Attempts
from sidecar.grants.store import Grants
from sidecar.http.http1 import RequestHead
from sidecar.log import Log
from sidecar.sockets.loop import Loop
from sidecar.sockets.threads import Threads
from support.sidecars.loops import run, wire_of

HERE = Listener("team/registry", 28100)


class Faulty(socket.socket):
    """Stands for a fault of ours while an answer is sent."""

    def send(self, data: Any, flags: int = 0) -> int:
        raise RuntimeError


def test_a_request_whose_answer_fails_by_a_fault_of_ours_has_its_line() -> None:
    """A line that is missing would hide the request from its operator and from `explain`."""
    reading, writing = os.pipe()
    loop, log = Loop(), Log("info", writing)
    threads = Threads(loop)
    grants = Grants(_no_grant, loop, threads)
    attempts = Attempts(HERE.connector, loop, log)
    proxy = Proxy(HERE.connector, HERE.port, grants, attempts, Upstream(loop, threads), log)
    pair = socket.socketpair()
    here, there = Faulty(fileno=pair[0].detach()), pair[1]
    head = RequestHead("GET", "/", "1.1", [(b"host", b"elsewhere")], 0)

    async def serve() -> None:
        await proxy.serve(Exchange(wire_of(loop, here), head, memoryview(bytearray(1000))))

    with here, there, pytest.raises(RuntimeError):
        run(loop, serve())
    os.close(writing)
    with os.fdopen(reading) as pipe:
        (line,) = [json.loads(text) for text in pipe]
    assert (line["level"], line["message"], line["method"]) == ("warning", "request", "GET")
    assert line["reason"] == "internal-error"


def _no_grant(rejected: str | None, cause: str | None) -> NoReturn:
    raise AssertionError("the request is refused before")

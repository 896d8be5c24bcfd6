"""Threads that serve client connections: as many as are needed, up to a bound, gone when idle."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from sidecar.answers import Answer, render_answer
from sidecar.bodies import BUFFER_SIZE
from sidecar.client import Exchange
from sidecar.http1 import HEAD_LIMIT, MalformedHead, RequestReader
from sidecar.log import Log
from sidecar.proxy import Proxy
from sidecar.wire import Wire, WireClosed, WireTimeout

WORKERS = 64
"""uv opens up to 50 connections; 64 threads hold about 10 MiB while all of them relay"""
WAITING = 128
"""Connections with a request that wait for a worker; with more, each would wait longer than clients do"""
HEAD_SECONDS = 10.0
"""For a whole request head: it comes from the same machine, in one packet"""
KEPT_SECONDS = 0.5
"""A worker waits this long for its connection's next request before it gives the connection back: within one
install requests follow each other in milliseconds, and a hand-over costs 0.1 ms"""
SPARE_SECONDS = 10.0
"""An idle worker ends after this; arbitrary, longer than the pauses within one install"""

_TLS_HELLO = 0x16


class Connection(NamedTuple):
    wire: Wire
    proxy: Proxy


class Workers:
    """A queue of connections on which a request has begun to arrive."""

    def __init__(self, give_back: Callable[[Connection], None], log: Log) -> None:
        self._give_back = give_back
        self._log = log
        self._changed = threading.Condition()
        self._queue: deque[Connection] = deque()
        self._idle = 0
        self._count = 0

    def submit(self, connection: Connection) -> bool:
        """Hand over a connection; False if too many wait already."""
        with self._changed:
            if len(self._queue) >= WAITING:
                return False
            self._queue.append(connection)
            if self._idle >= len(self._queue) or self._count >= WORKERS:
                self._changed.notify()
                return True
            self._count += 1
        try:
            threading.Thread(target=self._work, daemon=True).start()
        except RuntimeError:  # the Pod's limit of processes: those that are there serve the queue
            with self._changed:
                self._count -= 1
                if not self._count:
                    self._queue.remove(connection)
                return self._count > 0
        return True

    def _work(self) -> None:
        buffer = memoryview(bytearray(BUFFER_SIZE))
        while (connection := self._next()) is not None:
            try:
                self._serve(connection, buffer)
            except Exception as error:  # noqa: BLE001 (the edge: one connection's fault must not end others)
                # the type only: a message could quote what went through
                self._log.write("error", "internal error", error=type(error).__name__)
                connection.wire.close()

    def _next(self) -> Connection | None:
        deadline = time.monotonic() + SPARE_SECONDS
        with self._changed:
            self._idle += 1
            try:
                while not self._queue:
                    if not self._changed.wait(deadline - time.monotonic()) and not self._queue:
                        self._count -= 1
                        return None
                return self._queue.popleft()
            finally:
                self._idle -= 1

    def _serve(self, connection: Connection, buffer: memoryview) -> None:
        """Serve requests until the connection closes, rests, or others wait for this worker."""
        wire = connection.wire
        while True:
            exchange = self._read_request(wire, buffer)
            if exchange is None:
                wire.close()
                return
            connection.proxy.serve(exchange)
            if exchange.closes:
                wire.close()
                return
            if not wire.ahead and (self._queue or not wire.wait_readable(KEPT_SECONDS)):
                self._give_back(connection)
                return

    def _read_request(self, wire: Wire, buffer: memoryview) -> Exchange | None:
        """The next request, or None if there is none any more; what is malformed has been answered."""
        reader = RequestReader()
        try:
            first = wire.receive_bytes(HEAD_SECONDS)
            if not first or first[0] == _TLS_HELLO:  # uv tries TLS before it publishes: let it see no server
                return None
            wire.ahead = first
            return Exchange(wire, wire.read_head(reader, HEAD_SECONDS).head(), buffer)
        except (WireClosed, WireTimeout):
            return None
        except MalformedHead as error:
            status = 431 if error.is_too_long else 400
            sentence = f"longer than {HEAD_LIMIT} octets" if error.is_too_long else str(error).lower()
            answer = Answer(status, "bad-request", f"the request's head is malformed: {sentence}")
            self._log.write("warning", "request", status=status, reason=answer.code, detail=answer.sentence)
            try:
                wire.send(render_answer(answer, is_head=False, closes=True), 1.0)
            except (WireClosed, WireTimeout):
                return None
            return None

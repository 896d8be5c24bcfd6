"""uvicorn's HTTP protocol with bounds on heads, pipelining and the form of bodies.

uvicorn limits neither the length of a head, nor its fields, nor the time for it, nor the number of pipelined
requests. None of our callers (API server, kubelet, sidecar) comes near these limits.

A body has a Content-Length. The parser calls this module for each chunk of a body without one: 128 KiB in
chunks of one byte took 19 ms (measured). The API server and the sidecar know the length of what they send.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webhook.limits.doors import Visit
from webhook.limits.shares import Rank

HEAD_LIMIT = 32 * 1024
"""A projected token has 1 to 2 KiB; the rest of a head has less than 1 KiB."""

FIELDS_LIMIT = 64
"""Fields of a head. The API server sends 8, the kubelet 5, a sidecar 6."""

_LENGTH_REQUIRED = b"send the body with a Content-Length: a Transfer-Encoding is not read\n"


class _Stopped(Exception):
    """Ends the parser's work on what was received: the connection is closed already."""


class BoundedProtocol(HttpToolsProtocol):
    """Reports progress to its `Visit`, and aborts a connection that exceeds a limit.

    | event                                        | rank of the visit                        |
    |----------------------------------------------|------------------------------------------|
    | the connection is made                       | `SILENT`, as its `Visit` begins          |
    | the head is complete                         | `RECEIVING`                              |
    | the request is complete                      | `ANSWERING`; `IDLE` if it is answered    |
    | the client does not read / reads again       | `RECEIVING` / `ANSWERING`                |
    | the answer to a complete request is sent     | `IDLE`                                   |
    | a part of the next head arrives              | `SILENT`                                 |
    """

    def __init__(self, *, visit: Visit, **options: Any) -> None:
        super().__init__(**options)
        self._visit = visit
        self._silent_bytes = 0
        """Received since the parser last made progress: an endless head"""
        self._fields = 0
        self._is_in_head = False
        self._is_received = False
        self._may_stay = True
        """Whether the connection stays open after the answer, if the body is complete by then"""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._visit.entered(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # after a reset uvicorn leaves this timer running, which holds the connection's memory for two minutes
        self._unset_keepalive_if_required()
        self._visit.left()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > HEAD_LIMIT:
            self.transport.abort()
        elif self._is_in_head and self._visit.holder.rank is Rank.IDLE:
            self._visit.move(Rank.SILENT)

    def shutdown(self) -> None:
        self._may_stay = False
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        if self.transport.is_closing():  # `_Stopped`
            return
        self._visit.count("not HTTP")
        super().send_400_response(msg)

    def on_message_begin(self) -> None:
        self._is_in_head, self._is_received, self._fields = True, False, 0
        super().on_message_begin()
        self.scope["extensions"] = {"abort": {"call": self.transport.abort}}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > FIELDS_LIMIT:
            self.transport.abort()
            raise _Stopped
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._silent_bytes = False, 0
        cycle: Any = self.cycle  # despite its annotation, None until the first head is complete
        if self.transport.is_closing():
            raise _Stopped
        if cycle is not None and not cycle.response_complete:
            self.transport.abort()  # pipelined: uvicorn would queue any number
            raise _Stopped
        if any(name == b"transfer-encoding" for name, _ in self.headers):
            self._refuse_encoding()
            raise _Stopped
        super().on_headers_complete()
        self._may_stay, self.cycle.keep_alive = self.cycle.keep_alive, False
        self._visit.move(Rank.RECEIVING)

    def _refuse_encoding(self) -> None:
        """RFC 9110 §15.5.12"""
        self._visit.count("no Content-Length")
        head = (
            b"HTTP/1.1 411 Length Required\r\nConnection: close\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
        )
        self.transport.write(head % len(_LENGTH_REQUIRED) + _LENGTH_REQUIRED)
        self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent_bytes = 0
        if self.transport.is_closing():
            return
        self._is_received = True
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._may_stay
        super().on_message_complete()
        self._visit.move(Rank.IDLE if self.cycle.response_complete else Rank.ANSWERING)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._visit.move(Rank.RECEIVING)  # the client does not read

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._is_received and not self.cycle.response_complete:
            self._visit.move(Rank.ANSWERING)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_received:
            self._visit.move(Rank.IDLE)

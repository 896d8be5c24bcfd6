"""uvicorn's HTTP protocol with bounds for what a stranger can make it hold.

uvicorn bounds neither the length of a head, nor the number of its fields, nor requests sent ahead of an
answer, nor the time of any but the first head. None of our callers (API server, kubelet, sidecar) comes near.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webhook.doors import Visit
from webhook.shares import Rank

HEAD_BYTES = 32 * 1024
"""A projected token has 1 to 2 KiB, with many groups of an issuer's own a few more."""

MOST_FIELDS = 64
"""Of a head, or after a chunked body. The API server sends 8, the kubelet 5, a sidecar 6."""


class BoundedProtocol(HttpToolsProtocol):
    """Tells its `Visit` how far it has come, and aborts what goes beyond a bound."""

    def __init__(self, *, visit: Visit, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._visit = visit
        self._silent_bytes = 0
        """Since the parser last got somewhere: a head, trailers or chunk extensions without an end"""
        self._fields = 0
        self._is_in_head = False
        self._is_received = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._visit.entered(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # uvicorn leaves its timer running after a reset, and with it all of this connection, for two minutes
        self._unset_keepalive_if_required()
        self._visit.left()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > HEAD_BYTES:
            self.transport.abort()
        elif self._is_in_head and self._visit.holder.rank is Rank.IDLE:
            self._visit.move(Rank.SILENT)

    def send_400_response(self, msg: str) -> None:
        self._visit.count("not HTTP")
        super().send_400_response(msg)

    def on_message_begin(self) -> None:
        self._is_in_head, self._is_received, self._fields = True, False, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > MOST_FIELDS:
            self.transport.abort()
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._silent_bytes = False, 0
        cycle: Any = self.cycle  # None until the first head is complete, whatever its annotation says
        if self.transport.is_closing():
            return
        if cycle is not None and not cycle.response_complete:
            self.transport.abort()  # sent ahead: each would be kept until its turn
            return
        super().on_headers_complete()
        self._visit.move(Rank.RECEIVING)

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent_bytes = 0
        if self.transport.is_closing():
            return
        self._is_received = True
        super().on_message_complete()
        self._visit.move(Rank.IDLE if self.cycle.response_complete else Rank.ANSWERING)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_received:
            self._visit.move(Rank.IDLE)

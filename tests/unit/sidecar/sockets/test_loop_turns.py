"""Much that is ready at once is served a piece at a time, with the others' turns in between."""

import gzip
from collections.abc import Iterator

import pytest

from sidecar.exchange.client import Exchange
from sidecar.exchange.proxy import Proxy
from sidecar.sockets.loop import Loop
from sidecar.sockets.wire import Wire
from support.servers.registry import Registry
from support.sidecars.proxy_threads import serving
from support.sidecars.running import ask, receive_all

COUNT = 200


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as found:
        yield found


def test_between_two_pipelined_requests_everybody_else_has_a_turn(registry: Registry) -> None:
    """All of them lie in the buffer: none has to wait for the client."""
    loop = Loop()
    turns = 0
    seen: list[int] = []

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await loop.pause()

    class Noting(Proxy):
        async def serve(self, exchange: Exchange) -> None:
            if not seen:
                loop.spawn(another())
            seen.append(turns)
            await super().serve(exchange)

    request = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(loop, registry, kind=Noting) as client:
        client.connect()
        client.sock.sendall(request * COUNT + request[:-2] + b"Connection: close\r\n\r\n")
        receive_all(client.sock)
    assert len(seen) == COUNT + 1
    assert seen == sorted(set(seen)), "two requests in one turn"


def test_between_two_members_of_a_page_everybody_else_has_a_turn(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty ones too, which give nothing to send (RFC 1952 §2.2)."""
    turns = 0
    give_way = Wire.give_way

    async def counted(wire: Wire) -> None:
        nonlocal turns
        turns += 1
        await give_way(wire)

    monkeypatch.setattr(Wire, "give_way", counted)
    page = gzip.compress(b"") * COUNT + gzip.compress(b"<a>hello</a>")
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip", "Connection": "close"}
    registry.on("/simple/hello/", lambda call: call.reply(200, page, headers))
    with serving(Loop(), registry) as client:
        reply = ask(client, "GET", "/simple/hello/", {"Connection": "close"})
    assert reply.body == b"<a>hello</a>"
    assert turns > COUNT

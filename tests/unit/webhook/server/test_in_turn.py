"""Requests on a server: whatever another peer has sent at the same moment, a request goes on in its turn."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from support.machine.virtual_time import run_virtually
from webhook.server.serving import InTurn


@pytest.mark.parametrize("has_body", [True, False], ids=["last bytes of bodies", "requests without a body"])
def test_a_crowd_that_is_ready_at_once_does_not_delay_another_peer(has_body: bool) -> None:
    order: list[str] = []
    ready = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while has_body and (await receive())["more_body"]:
            pass
        order.append(scope["client"][0])

    async def request(server: InTurn, peer: str) -> None:
        parts = [{"type": "http.request", "body": b"]", "more_body": False}]
        parts += [{"type": "http.request", "body": b"[", "more_body": True}] * 2

        async def receive() -> dict[str, Any]:
            part = parts.pop()
            if not part["more_body"]:
                await ready.wait()
            return part

        async def send(message: Any) -> None:
            raise AssertionError(message)

        if not has_body:
            await ready.wait()
        await server({"type": "http", "client": (peer, 1)}, receive, send)

    async def story() -> None:
        server = InTurn(app)
        crowd = [asyncio.create_task(request(server, "attacker")) for _ in range(200)]
        victim = asyncio.create_task(request(server, "victim"))
        await asyncio.sleep(0.1)
        ready.set()
        await asyncio.gather(*crowd, victim)

    run_virtually(story())
    assert len(order) == 201
    assert order.index("victim") < 10

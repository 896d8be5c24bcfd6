"""Answers that count until their client has read them, and the end of answers that no client reads."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send


class Sent(Response):
    """A response that a function sends, so that the function can hold memory and slots until then."""

    def __init__(self, respond: Callable[[Send], Awaitable[None]]) -> None:
        super().__init__()
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._respond(send)


async def send_whole(response: Response, send: Send) -> None:
    """Return when the client has read all but the last 64 KiB. The server waits for that before each message,
    so the last message is empty."""
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def abort(http: Request) -> None:
    """End a connection in the middle of an answer; the server takes note of it a little later."""
    end = http.scope.get("extensions", {}).get("abort")
    if end is not None:
        end["call"]()
        while (await http.receive())["type"] != "http.disconnect":
            pass

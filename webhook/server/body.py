"""The body of a request in JSON, within a size and a time. Each edge answers a `Fault` in its own words."""

import asyncio
from collections.abc import Callable
from enum import Enum

from fastapi import Request


class Fault(Enum):
    """Why a body is not usable."""

    TYPE = "not application/json"
    SIZE = "too large"
    TIME = "too slow"


class UnusableBody(Exception):
    """A body that was not read to its end."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def content_type(request: Request) -> str:
    """Without parameters, in lower case; empty if there is none."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def read_body(
    request: Request, *, limit: int, seconds: float, count: Callable[[int], None] = lambda length: None
) -> bytearray:
    """Raises `UnusableBody`, and starlette's `ClientDisconnect`. `limit` is in bytes. `count` gets the length
    of each part before it is added; an exception of it ends the reading."""
    if content_type(request) != "application/json":
        raise UnusableBody(Fault.TYPE)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                count(len(chunk))
                body += chunk
                if len(body) > limit:
                    raise UnusableBody(Fault.SIZE)
    except TimeoutError:
        raise UnusableBody(Fault.TIME) from None
    return body

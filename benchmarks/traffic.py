"""Clients for measurements: a connection and a reused buffer, at nearly no cost of their own."""

import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_BUFFER = memoryview(bytearray(1024 * 1024))
_SECONDS = 120.0
_BOUNDARY = "55f9c5b7b97d49b098fa0cc006e0bbf6"
_FORM_BEGIN = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="large-1.0.tar.gz"\r\n\r\n'
).encode()
_FORM_END = f"\r\n--{_BOUNDARY}--\r\n".encode()
_TAIL = 16  # the end of a chunked body, or the whole count of an upload


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The destination of a client: a subject, or the registry itself with TLS and the credential."""

    port: int
    tls: ssl.SSLContext | None = None
    authorization: str | None = None
    upload_path: str = "/"
    host: str | None = None
    """For the Host header, if a subject tells its targets by it"""

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def connect(self) -> "Client":
        return Client(self)


class Client:
    """A persistent connection. Raises AssertionError for any status but 200."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._address = f"127.0.0.1:{endpoint.port}"
        sock = socket.create_connection(("127.0.0.1", endpoint.port), _SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = endpoint.tls.wrap_socket(sock, server_hostname="127.0.0.1") if endpoint.tls else sock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def get(self, path: str) -> int:
        """The number of bytes of the body, as they arrive: chunks are not decoded."""
        self._send_head("GET", path, [])
        return self._read_answer()[0]

    def post(self, size: int) -> int:
        """Send a form of `size` bytes, and return the count that the registry's sink answers."""
        fields = [f"Content-Type: multipart/form-data; boundary={_BOUNDARY}", f"Content-Length: {size}"]
        self._send_head("POST", self._endpoint.upload_path, fields)
        self._socket.sendall(_FORM_BEGIN)
        left = size - len(_FORM_BEGIN) - len(_FORM_END)
        while left:
            piece = _BUFFER[: min(left, len(_BUFFER))]
            self._socket.sendall(piece)
            left -= len(piece)
        self._socket.sendall(_FORM_END)
        return int(self._read_answer()[1])

    def _send_head(self, method: str, path: str, more: list[str]) -> None:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._endpoint.host or self._address}", *more]
        if self._endpoint.authorization:
            lines.append(f"Authorization: {self._endpoint.authorization}")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def _read_answer(self) -> tuple[int, bytes]:
        """Length of the body, and its last bytes."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self._socket.recv(16384)
            assert piece, "the connection was closed in place of an answer"
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        lengths = [
            int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ]
        count, tail = len(body), body[-_TAIL:]
        while count < lengths[0] if lengths else not tail.endswith(b"\r\n0\r\n\r\n"):
            received = self._socket.recv_into(_BUFFER)
            assert received, "the body ended early"
            count += received
            tail = (tail + bytes(_BUFFER[max(0, received - _TAIL) : received]))[-_TAIL:]
        return count, tail


def await_answer(endpoint: Endpoint, path: str) -> None:
    """Connect until the endpoint listens, then fetch once."""
    give_up = time.perf_counter() + 30
    while True:
        try:
            with endpoint.connect() as client:
                client.get(path)
                return
        except ConnectionRefusedError:
            assert time.perf_counter() < give_up, "the endpoint does not listen after 30 s"
            time.sleep(0.0005)

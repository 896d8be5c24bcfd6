"""Admission or the broker as a separate process, served as in the product, on a cluster in memory.

Run as a program, with `tests` on the path: `python -m support.components.served COMPONENT PORT FOLDER`. What
it holds is read off the kernel.
"""

import asyncio
import contextlib
import errno
import json
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from certs.authority import ServingFiles, issue_leaf
from certs.store import write_files
from support.certificates.authority import HOSTS, authority, ca
from support.checkout import environment_with_tests
from support.machine.ports import free_port
from support.machine.processes import resident_kib

PATIENCE_SECONDS = 20.0
_HEADER_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Served:
    """A running component."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    token: str
    """Of a Pod that may ask the broker"""

    @property
    def resident_kib(self) -> int:
        return resident_kib(self.process.pid)

    def connect(self, peer: str = "127.0.0.1") -> socket.socket:
        """Connect from that address of the loopback interface: each address is a separate peer."""
        while True:
            sock = socket.socket()
            # without this, ports of a thousand clients would be taken for the servers of later tests
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.settimeout(PATIENCE_SECONDS)
            try:
                sock.bind((peer, 0))
                sock.connect(("127.0.0.1", self.port))
            except OSError as error:
                sock.close()
                if error.errno != errno.EADDRNOTAVAIL:  # the same port twice: once more
                    raise
            else:
                return sock

    def connect_tls(self, peer: str = "127.0.0.1") -> ssl.SSLSocket:
        context = ssl.create_default_context(cadata=ca())
        return context.wrap_socket(self.connect(peer), server_hostname="localhost")

    def ask(self, request: bytes, peer: str = "127.0.0.1") -> tuple[int, bytes]:
        """Send a request on a new connection: status, and the answer's body."""
        with self.connect_tls(peer) as sock:
            sock.sendall(request)
            return answer(sock)

    def lines(self, message: str) -> list[dict[str, object]]:
        """Lines of its log."""
        whole = [line for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in map(json.loads, whole) if line["message"] == message]

    def wait_lines(self, message: str) -> list[dict[str, object]]:
        """The same, once there is at least one."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := self.lines(message)):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return found


def answer(sock: ssl.SSLSocket) -> tuple[int, bytes]:
    """Read an answer whose length is declared."""
    data = b""
    while _HEADER_END not in data:
        data += _more(sock)
    head, _, body = data.partition(_HEADER_END)
    [length] = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    while len(body) < length:
        body += _more(sock)
    return int(head.split()[1]), body


def post(path: str, body: bytes, *fields: str, length: int | None = None) -> bytes:
    """A request with a JSON body, or the beginning of one that is longer."""
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *fields]
    head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(head).encode() + _HEADER_END + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def is_gone(sock: socket.socket, seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether the other end closes it within that time, and sends nothing before."""
    sock.settimeout(seconds)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@contextlib.contextmanager
def served(component: str) -> Iterator[Served]:
    """The component, until the block ends. SIGTERM stops it, and its exit code must be 0."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log, token = Path(folder) / "log", Path(folder) / "token"
        leaf = issue_leaf(authority("ours"), HOSTS, datetime.now(UTC))
        write_files(Path(folder), ServingFiles(ca(), leaf.certificate, leaf.key))
        with log.open("wb") as file:
            command = [sys.executable, "-m", __name__, component, str(port), folder]
            process = subprocess.Popen(command, stderr=file, env=environment_with_tests())
        try:
            component_process = Served(port, process, log, _wait_for(token, process, log))
            for _ in range(20):  # imports and first allocations are no part of what is measured
                assert component_process.ask(get("/healthz"))[0] == 200
            yield component_process
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def _wait_for(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (path.exists() and path.read_text().endswith("\n")):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return path.read_text().strip()


def _more(sock: ssl.SSLSocket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise ConnectionResetError("closed before the answer was complete")
    return data


async def _serve(component: str, port: int, folder: Path) -> None:
    from support.components.broker_requests import SETTINGS, cluster, token
    from support.components.broker_requests import connector as manifest
    from webhook.connector.manifest import MaybeConnector, parse_connector
    from webhook.identifiers import ConnectorKey
    from webhook.server import admission, broker
    from webhook.server.serving import serve
    from webhook.server.tasks import stop_on_signals

    given = cluster()

    async def find(keys: Sequence[ConnectorKey]) -> dict[ConnectorKey, MaybeConnector]:
        await asyncio.sleep(0)
        return {key: parse_connector(manifest()) if str(key) == "team/pypi" else None for key in keys}

    app = (
        admission.create_app(lambda: SETTINGS, find)
        if component == "admission"
        else broker.create_app(lambda: SETTINGS, given)
    )
    stop = stop_on_signals()
    serving = asyncio.create_task(serve(app, port=port, tls_directory=folder, stop=stop, drain_seconds=0.1))
    while not serving.done():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        await asyncio.sleep(0.02)
    (folder / "token").write_text(f"{token(given)}\n")
    await serving


if __name__ == "__main__":
    from webhook.server import logs

    logs.set_up("info")
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))

"""Searches everything that a process of this container can see for the texts on standard input.

They come by standard input: in an argument or a variable the search would find itself.
"""

import contextlib
import json
import os
import re
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

CHUNK = 4 * 1024 * 1024
PACKAGE = "hello_connector-1.0-py3-none-any.whl"
BASIC = "Authorization: Basic Y2ktcm9ib3Q6Z3Vlc3NlZA=="
REQUESTS = [
    ("GET / HTTP/1.1", ""),
    ("GET /simple/ HTTP/1.1", ""),
    ("GET /simple/hello-connector/ HTTP/1.1", BASIC),
    ("GET /simple/hello-connector/ HTTP/1.1", "Accept: application/vnd.pypi.simple.v1+json"),
    (f"GET /packages/{PACKAGE} HTTP/1.1", "Range: bytes=0-9"),
    ("GET /simple/there-is-none/ HTTP/1.1", ""),
    ("GET /packages/there_is_none-1.0.tar.gz HTTP/1.1", ""),
    ("GET /api/users HTTP/1.1", ""),
    ("GET /_o/example.invalid/x-1.0.tar.gz HTTP/1.1", ""),
    ("GET /simple/%2e%2e/%2e%2e/etc/passwd HTTP/1.1", ""),
    ("OPTIONS * HTTP/1.1", ""),
    ("TRACE /simple/ HTTP/1.1", BASIC),
    ("CONNECT registry:443 HTTP/1.1", ""),
    ("POST / HTTP/1.1", "Content-Length: 3\r\nContent-Type: multipart/form-data; boundary=x"),
    ("GET http://example.invalid/ HTTP/1.1", ""),
    ("GET /simple/ HTTP/9", ""),
]


def main() -> None:
    texts = [text.encode() for text in json.load(sys.stdin)]
    keep = max(map(len, texts)) - 1
    processes = [pid for pid in pids() if pid != os.getpid()]
    found = [f"{kind} of process {pid}" for pid in processes for kind in in_process(pid, texts, keep)]
    files = 0
    for path in regular_files():
        with contextlib.suppress(OSError):
            files += 1
            if holds(path, texts, keep):
                found.append(f"file {path}")
    statuses = []
    for port in loopback_ports():
        for line, header in REQUESTS:
            answer = ask(port, line, header)
            statuses.append(answer.partition(b"\r\n")[0].decode("latin-1"))
            if any(text in answer for text in texts):
                found.append(f"answer of port {port} to {line}")
    seen = {
        "found": found,
        "commands": [command(pid) for pid in processes],
        "tokens": [str(path) for pid in processes for path in our_token(pid)],
        "files": files,
        "ports": loopback_ports(),
        "statuses": statuses,
    }
    sys.stdout.write(json.dumps(seen))


def pids() -> list[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]


def command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def in_process(pid: int, texts: list[bytes], keep: int) -> Iterator[str]:
    for kind in ("environ", "cmdline"):
        with contextlib.suppress(OSError):
            if holds(Path(f"/proc/{pid}/{kind}"), texts, keep):
                yield kind
    with contextlib.suppress(OSError):
        if any(any(text in piece for text in texts) for piece in memory(pid)):
            yield "memory"


def memory(pid: int) -> Iterator[bytes]:
    """Each writable mapping; they hold what a program computes."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span:
                begin, end = (int(one, 16) for one in span.groups())
                with contextlib.suppress(OSError, ValueError):
                    file.seek(begin)
                    yield file.read(end - begin)


def our_token(pid: int) -> list[Path]:
    """The sidecar's token, by way of a process's own root."""
    with contextlib.suppress(OSError):
        return list(Path(f"/proc/{pid}/root/var/run/secrets/pypi-connector").iterdir())
    return []


def regular_files() -> Iterator[Path]:
    for folder, below, files in os.walk("/"):
        if folder == "/":
            below[:] = [one for one in below if one not in ("proc", "sys", "dev")]
        for name in files:
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path


def holds(path: Path, texts: list[bytes], keep: int) -> bool:
    with path.open("rb") as file:
        tail = b""
        while chunk := file.read(CHUNK):
            window = tail + chunk
            if any(text in window for text in texts):
                return True
            tail = window[-keep:]
    return False


def loopback_ports() -> list[int]:
    """Whatever listens in this Pod's network."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sorted({int(one[1].partition(":")[2], 16) for one in lines if one[3] == "0A"})


def ask(port: int, line: str, header: str) -> bytes:
    head = f"{line}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{header}".rstrip("\r\n")
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(head.encode() + b"\r\n\r\nabc")
        while piece := wire.recv(65536):
            answer += piece
    return answer


main()

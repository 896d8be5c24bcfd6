"""The servers of the demo: a registry with a password, admission and broker over TLS, on loopback."""

import base64
import contextlib
import hashlib
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from certs.authority import KeyPair, ServingFiles, issue_leaf
from certs.reload import Reloader
from certs.store import CERTIFICATE, KEY, write_files
from sidecar.contract.secret import Secret

HOSTS = ("localhost", "127.0.0.1")
_START_SECONDS = 20.0


@contextlib.contextmanager
def serving(make_app: Callable[[str], FastAPI], folder: Path, authority: KeyPair) -> Iterator[str]:
    """Serve an app over TLS in a thread, as its container would. Yields its base URL.

    `make_app` gets that URL: the port is taken before.
    """
    leaf = issue_leaf(authority, HOSTS, datetime.now(UTC))
    write_files(folder, ServingFiles(authority.certificate, leaf.certificate, leaf.key))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"https://localhost:{sock.getsockname()[1]}"
        config = uvicorn.Config(
            make_app(url),
            log_config=None,
            access_log=False,
            lifespan="off",
            ssl_certfile=str(folder / CERTIFICATE),
            ssl_keyfile=str(folder / KEY),
        )
        config.load()
        if not isinstance(config.ssl, ssl.SSLContext):
            raise TypeError("uvicorn was given a certificate")
        server = uvicorn.Server(config)
        with Reloader(config.ssl, folder / CERTIFICATE, folder / KEY):
            thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
            thread.start()
            _wait(lambda: server.started)
            try:
                yield url
            finally:
                server.should_exit = True
                thread.join()


@contextlib.contextmanager
def registry(
    folder: Path, packages: Path, authority: KeyPair, username: str, password: Secret
) -> Iterator[str]:
    """A real pypiserver that wants the password for each request. Yields its address."""
    folder.mkdir()
    leaf = issue_leaf(authority, HOSTS, datetime.now(UTC))
    write_files(folder, ServingFiles(authority.certificate, leaf.certificate, leaf.key))
    (folder / "htpasswd").write_text(htpasswd_line(username, password.reveal()))
    arguments = [str(packages), str(folder / "htpasswd"), str(folder / CERTIFICATE), str(folder / KEY)]
    process = subprocess.Popen(
        [sys.executable, "-m", "webhook.demo.registry", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield f"https://localhost:{int(line)}"
    finally:
        process.kill()
        process.communicate()


def htpasswd_line(username: str, password: str) -> str:
    """A user in Apache's SHA-1 form: good enough for a random password that lives for seconds."""
    digest = base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()
    return f"{username}:{{SHA}}{digest}\n"


def quiet_logs() -> None:
    """Silence logs that belong into a cluster: here they would stand between the demo's own lines."""
    logging.getLogger().addHandler(logging.NullHandler())
    for name in ("uvicorn", "webhook", "certs", "httpx"):
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a server did not start")
        time.sleep(0.01)

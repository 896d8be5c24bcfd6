"""Replaces a server's certificate while it serves.

The listener keeps one `ssl.SSLContext` for its whole life. Each handshake gets the newest context from the
server name callback, which OpenSSL calls even if the client sent no name. A second `load_cert_chain` on the
listener's context was rejected for three reasons. A pair that fails half-way leaves that context broken. A
key of another type joins the old key instead of replacing it. OpenSSL does not guard a context against a
handshake in another thread. Open connections keep the certificate that they began with.
"""

import contextlib
import logging
import os
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from certs.errors import UnusablePair

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 10.0
"""The kubelet takes up to a minute to project a changed Secret; reading two small files costs nothing."""


class Reloader:
    """Keeps the certificate of `context` equal to two files; while entered, in a thread of its own."""

    def __init__(self, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
        """Load the pair for the first time; `UnusablePair` if it cannot serve."""
        self._certificate = certificate
        self._key = key
        self._content = self._read()
        self._newest = _load(*self._content)
        self._complaint = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        context.sni_callback = self._choose

    def reload(self) -> bool:
        """Take the files' content if it changed and can serve. Whether it was taken."""
        try:
            content = self._read()
            if content == self._content:
                return False
            newest = _load(*content)
        except UnusablePair as error:
            if str(error) != self._complaint:  # log a broken pair once, not at every look
                logger.warning(
                    "certificate kept", extra={"path": str(self._certificate), "error": str(error)}
                )
            self._complaint = str(error)
            return False
        self._newest, self._content, self._complaint = newest, content, ""
        logger.info("certificate replaced", extra={"path": str(self._certificate)})
        return True

    def start(self, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """Look at the files every `interval_seconds`, until `stop`."""

        def watch() -> None:
            while not self._stop.wait(interval_seconds):
                self.reload()

        self._thread = threading.Thread(target=watch, name="certificate-reload", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread at once; the certificate stays."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def __enter__(self) -> "Reloader":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _old: ssl.SSLContext
    ) -> None:
        connection.context = self._newest

    def _read(self) -> tuple[bytes, bytes]:
        try:
            return self._certificate.read_bytes(), self._key.read_bytes()
        except OSError as error:
            raise UnusablePair(f"{error.filename} cannot be read: {error.strerror}") from error


def _load(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """A context of exactly these bytes: the files may be replaced between two looks at them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _as_path(certificate + b"\n" + key) as path:
        try:
            context.load_cert_chain(path, password="")  # without one, OpenSSL would ask on the terminal
        except ssl.SSLError as error:
            raise UnusablePair(f"the pair cannot serve: {error.reason or 'not PEM'}") from error
    return context


@contextlib.contextmanager
def _as_path(content: bytes) -> Iterator[str]:
    """`load_cert_chain` takes paths only. In memory where the system can: the root may be read-only."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pair", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(content)
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.NamedTemporaryFile() as named:
        named.write(content)
        named.flush()
        yield named.name

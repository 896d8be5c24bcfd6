"""A TLS server on files that can be replaced, and its clients."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from certs import store
from certs.authority import KeyPair, ServingFiles, create_authority, issue_leaf, load_pair
from certs.hosts import service_hosts

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = [*service_hosts("pypi-connector-broker", "pypi-connector-system"), "127.0.0.1", "::1"]


def serving(authority: KeyPair | None = None, hosts: list[str] = HOSTS) -> ServingFiles:
    authority = authority or create_authority(NOW)
    leaf = issue_leaf(authority, hosts, NOW)
    return ServingFiles(authority.certificate, leaf.certificate, leaf.key)


def parse(pair: KeyPair | ServingFiles) -> x509.Certificate:
    return load_pair(pair)[0]


@contextlib.contextmanager
def server(files: ServingFiles, directory: Path) -> Iterator[tuple[ssl.SSLContext, int]]:
    """A TLS server that echoes, on a context that lives as long as it does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    store.write_files(directory, files)
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as connection:
            while data := connection.recv(1024):
                connection.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield context, listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def connected(port: int, bundle: str, name: str = "127.0.0.1") -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cadata=bundle)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        yield connection


def peer_serial(port: int, bundle: str, name: str = "127.0.0.1") -> int:
    with connected(port, bundle, name) as connection:
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"").serial_number

"""A private certificate authority for the servers of the tests: made once, leaves for any host."""

import functools
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.authority import KeyPair, create_authority, issue_leaf

HOSTS = ("127.0.0.1", "localhost")


@functools.cache
def authority(name: str = "ours") -> KeyPair:
    """Each name stands for another authority."""
    return create_authority(datetime.now(UTC) - timedelta(days=30))


def ca(name: str = "ours") -> str:
    return authority(name).certificate


@functools.cache
def server_context(
    hosts: Sequence[str] = HOSTS, *, signer: str = "ours", is_expired: bool = False
) -> ssl.SSLContext:
    """The TLS side of a server."""
    now = datetime.now(UTC)
    if is_expired:
        leaf = issue_leaf(authority(signer), hosts, now - timedelta(days=10), life=timedelta(days=1))
    else:
        leaf = issue_leaf(authority(signer), hosts, now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(leaf.certificate + leaf.key)
        file.flush()
        context.load_cert_chain(Path(file.name))
    return context

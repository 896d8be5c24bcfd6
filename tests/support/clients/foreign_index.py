"""An index of somebody else's, with a higher version of a package (dependency confusion)."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from support.servers.registry import Registry
from webhook.demo.packages import make_wheel


@contextmanager
def foreign_index(folder: Path, name: str, version: str) -> Iterator[Registry]:
    """It has its index at /simple/, and a page of links at /links/. It wants no password."""
    wheel = make_wheel(folder, name, version)
    body = wheel.read_bytes()
    link = f"<a href='/files/{wheel.name}#sha256={sha256(body).hexdigest()}'>{wheel.name}</a>".encode()
    with Registry() as registry:
        registry.page(f"/simple/{name}/", link)
        registry.page("/links/", link)
        registry.page(f"/files/{wheel.name}", body, "application/octet-stream")
        yield registry

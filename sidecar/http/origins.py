"""The parts of a URL beside its origin: user and password, path and query. Pure."""

from urllib.parse import SplitResult, unquote, urlsplit

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret


def login_of(parts: SplitResult) -> Credential | None:
    """User and password of a URL, decoded as pip and uv do; None for an empty user without password.

    A token may stand in either place: `https://token@host`, `https://:token@host`.
    """
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Credential(username, Secret(password)) if username or password else None


def target_of(url: str) -> str:
    """Path and query as they stand on a request line."""
    parts = urlsplit(url)
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")

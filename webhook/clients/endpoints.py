"""The loopback URLs that clients are given: one index, one publish target, sections for the rest. Pure."""

from dataclasses import dataclass


def index_url(port: int) -> str:
    """The reference system's shape, whatever the registry's own path is."""
    return f"http://127.0.0.1:{port}/simple/"


def upload_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the clients of one Pod (or of `run`) are told."""

    index_url: str | None
    """None: no index is configured (no `pipconf`)"""
    upload_url: str | None
    """None: nothing may be uploaded (no `pypirc`)"""
    upload_check_url: str | None
    """Index of the publish target: uv asks it which files are there already"""
    sections: tuple[tuple[str, str], ...] = ()
    """Section of `.pypirc` → URL for every further connector"""

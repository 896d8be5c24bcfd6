"""The loopback URLs of clients: an index, a publish target, and sections for further connectors. Pure."""

from dataclasses import dataclass


def index_url(port: int) -> str:
    """In the form of the reference system, regardless of the registry's own path."""
    return f"http://127.0.0.1:{port}/simple/"


def upload_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs for the clients of one Pod, or of `run`."""

    index_url: str | None
    """None: no index is configured (no `pipconf`)"""
    upload_url: str | None
    """None: nothing may be uploaded (no `pypirc`)"""
    upload_check_url: str | None
    """The index of the publish target: uv asks it for files that exist already"""
    sections: tuple[tuple[str, str], ...] = ()
    """Section of `.pypirc` and upload URL of each further connector"""
    template_index_url: str | None = None
    """The index for templates, also where clients get none. None: the same as `index_url`"""
    admits_extra_indexes: bool = False
    """Whether indexes that an image names are asked as well"""

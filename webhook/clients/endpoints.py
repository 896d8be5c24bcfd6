"""The loopback URLs of clients: an index, and publish targets. Pure."""

from dataclasses import dataclass


def index_url(port: int) -> str:
    """In the form of the reference system, regardless of the registry's own path."""
    return f"http://127.0.0.1:{port}/simple/"


def upload_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


@dataclass(frozen=True, slots=True)
class Target:
    """A publish target that a client chooses by its name."""

    name: str
    """Section of `.pypirc`, and index of uv"""
    upload_url: str
    index_url: str
    """uv asks it for files that exist already"""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs for the clients of one Pod, or of `run`."""

    index_url: str | None
    """None: no index is configured (no `pipconf`)"""
    upload_url: str | None
    """The default target's; None: nothing may be uploaded (no `pypirc`)"""
    upload_check_url: str | None
    """The index of the default target"""
    targets: tuple[Target, ...] = ()
    """The targets that the author names, the default first"""
    admits_extra_indexes: bool = False
    """Whether indexes that an image names are asked as well"""

    @property
    def has_choice(self) -> bool:
        """Whether clients may choose between several targets."""
        return len(self.targets) > 1

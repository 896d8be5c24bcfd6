"""The loopback URLs of clients: an index, and publish targets. Pure."""

from dataclasses import dataclass

from sidecar.contract.words import ALONE


def index_url(port: int) -> str:
    """In the form of the reference system, regardless of the registry's own path."""
    return f"http://127.0.0.1:{port}/simple/"


def check_url(port: int, *, is_followed: bool = False) -> str:
    """The index that uv asks for files that exist already. `is_followed`: the connector is before another one
    in an order, which must not answer in its place."""
    return index_url(port) + (f"?{ALONE}" if is_followed else "")


def upload_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


@dataclass(frozen=True, slots=True)
class Target:
    """A publish target that a client chooses by its name."""

    name: str
    """Section of `.pypirc`, and index of uv"""
    upload_url: str
    check_url: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs for the clients of one Pod, or of `run`."""

    index_url: str | None
    """None: no index is configured (no `pipconf`)"""
    upload_url: str | None
    """The default target's; None: nothing may be uploaded (no `pypirc`)"""
    upload_check_url: str | None
    """The default target's index, for `check_url`"""
    targets: tuple[Target, ...] = ()
    """The targets that the author names, the default first"""
    template_index_url: str | None = None
    """The index for templates, also where clients get none. None: the same as `index_url`"""
    admits_extra_indexes: bool = False
    """Whether indexes that an image names are asked as well"""

    @property
    def has_choice(self) -> bool:
        """Whether clients may choose between several targets."""
        return len(self.targets) > 1

"""The addresses of a registry and its scope: the paths that its credential opens. Pure."""

from binascii import crc32
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from sidecar.contract.grant import Grant
from sidecar.contract.origins import Origin, origin_of
from sidecar.rules.listed import ListedFiles
from sidecar.rules.targets import refused_prefix

if TYPE_CHECKING:
    from sidecar.rules.policy import Policy
else:
    Policy = object  # imported with the first grant that has one

_REWRITING = 2
"""Version of the rewriting of pages. A change of it makes clients fetch the pages of their caches anew"""


class Layout(NamedTuple):
    """The addresses of a registry, from a grant."""

    origin: Origin
    index_path: str
    """With a slash at both ends"""
    scopes: tuple[str, ...]
    """Prefixes of paths, with a slash at both ends: the Connector's address, its `files` at this origin"""
    declared: tuple[str, ...]
    """The `files` among them: a redirect there takes the credential along, whatever the path"""
    upload_url: str | None
    foreign: Mapping[str, Origin]
    """`host[:port]` → origin"""
    own: str
    """`origin` as text: to compose it takes as long as to check a path"""
    policy: Policy | None
    """None: every package may pass"""
    mark: bytes
    """Marks the ETags of pages. It differs if links are rewritten in another way"""
    declared_prefix: str
    """A prefix of the index's path that `is_plain` would refuse, if the Connector did not declare it.
    Example: `/api/v4/projects/group%2Fproject` of GitLab. Mostly empty"""
    listed: ListedFiles
    """What this process has read on pages of the index. All grants of a connector share it"""

    @classmethod
    def of(cls, grant: Grant, listed: ListedFiles | None = None) -> "Layout":
        index = urlsplit(grant.index_url)
        own = origin_of(index)
        # an older broker sends no address: the index itself is in scope, and what its pages list
        address = _path_below(grant.address or grant.index_url, own) or index.path
        declared = tuple(filter(None, (_path_below(url, own) for url in grant.file_prefixes)))
        foreign = {origin.netloc: origin for origin in map(origin_of, grant.file_origins) if origin != own}
        return cls(
            origin=own,
            index_path=index.path,
            scopes=_widest((address, index.path, *declared)),
            declared=declared,
            upload_url=grant.upload_url,
            foreign=foreign,
            own=str(own),
            policy=_policy_of(grant),
            mark=b"%08x" % crc32(f"{_REWRITING} {grant.index_url} {sorted(foreign)}".encode()),
            declared_prefix=refused_prefix(index.path),
            listed=ListedFiles() if listed is None else listed,
        )

    @property
    def index_url(self) -> str:
        return self.own + self.index_path

    @property
    def is_whole_origin(self) -> bool:
        """Whether every path of the registry's origin is in scope."""
        return "/" in self.scopes

    def trusts(self, origin: Origin) -> bool:
        """Whether the Connector itself declares this origin."""
        return origin == self.origin or origin in self.foreign.values()


def _policy_of(grant: Grant) -> Policy | None:
    if grant.packages is None:  # most Connectors
        return None
    from sidecar.rules.policy import Policy

    return Policy(grant.packages)


def _widest(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """The prefixes that lie below no other."""
    return tuple(
        prefix
        for prefix in dict.fromkeys(prefixes)
        if not any(prefix.startswith(other) for other in prefixes if other != prefix)
    )


def _path_below(url: str, own: Origin) -> str | None:
    """The path of a URL of the registry's own origin, with a slash at its end."""
    parts = urlsplit(url)
    return parts.path.rstrip("/") + "/" if origin_of(parts) == own else None

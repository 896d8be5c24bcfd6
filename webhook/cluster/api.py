"""The Kubernetes API as a handful of verbs on paths: dicts in, dicts out."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from webhook.cluster.trim import Trim, whole

Json = dict[str, Any]
PatchKind = Literal["merge", "json", "strategic"]

REQUEST_SECONDS = 2.0
"""A grant takes up to six calls, and the sidecar waits 10 s for it; the API server answers a `get` in
milliseconds, or it is in trouble."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: list[Json]
    more: str
    """The value of `continue` for the next page; empty on the last page"""
    version: str


class Api(Protocol):
    """All raise `errors.ClusterUnavailable` and `errors.ClusterRefused`. `trim` cuts down each object."""

    async def get(self, path: str, *, trim: Trim = whole, seconds: float = REQUEST_SECONDS) -> Json | None:
        """None: there is none (404)."""

    async def list(self, path: str, **query: str) -> Json:
        """The whole list at once: for the command line, whose user may read as much as they ask for."""

    async def page(self, path: str, trim: Trim, **query: str) -> Page: ...

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        """`errors.Conflict` where it exists already."""

    async def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        """`errors.Conflict` where another changed it since `metadata.resourceVersion`."""

    async def patch(
        self, path: str, body: object, kind: PatchKind = "merge", *, trim: Trim = whole
    ) -> Json: ...

    async def text(self, path: str, **query: str) -> str:
        """What is no JSON: a container's log."""

    def watch(self, path: str, trim: Trim, **query: str) -> AsyncIterator[Json]:
        """Events `{"type", "object"}`, until the server ends it. `errors.Gone` where it cannot go on."""

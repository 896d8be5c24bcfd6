"""The Kubernetes API as a handful of verbs on paths. Objects are plain dicts."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from webhook.cluster.trim import Json, Trim, whole

PatchKind = Literal["merge", "json", "strategic"]

REQUEST_SECONDS = 2.0
"""A grant takes up to six calls, and the sidecar waits 10 s for it. A healthy API server answers a `get` in
milliseconds."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: list[Json]
    more: str
    """The value of `continue` for the next page; empty on the last page"""
    version: str


class Api(Protocol):
    """Every verb raises `errors.ClusterUnavailable` and `errors.ClusterRefused`. `trim` trims each object."""

    async def get(self, path: str, *, trim: Trim = whole, seconds: float = REQUEST_SECONDS) -> Json | None:
        """None: the object does not exist (404)."""

    async def list(self, path: str, **query: str) -> Json:
        """The whole list at once. Only for the command line: its user decides how much they read."""

    async def page(self, path: str, trim: Trim, **query: str) -> Page: ...

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        """Raises `errors.Conflict` if the object exists."""

    async def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        """Raises `errors.Conflict` if another client changed the object since `metadata.resourceVersion`."""

    async def patch(
        self, path: str, body: object, kind: PatchKind = "merge", *, trim: Trim = whole
    ) -> Json: ...

    async def delete(self, path: str, *, version: str) -> None:
        """Raises `errors.NotFound`, and `errors.Conflict` if the resourceVersion is another by now."""

    async def text(self, path: str, **query: str) -> str:
        """An answer that is not JSON: a container's log."""

    def watch(self, path: str, trim: Trim, **query: str) -> AsyncIterator[Json]:
        """Events `{"type", "object"}`, until the server ends the watch. `errors.Gone`: list again first."""

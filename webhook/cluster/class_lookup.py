"""ConnectorClasses from a watched cache, parsed once for each version."""

from collections.abc import Awaitable, Callable, Iterable

from webhook.cluster.cache import Cache
from webhook.cluster.trim import Json
from webhook.connector.connector_class import Classes, MaybeClass, find_class, with_default_class

Ask = Callable[[str], Awaitable[Json | None]]
"""Name → the object of the API server: it may have been created a moment ago"""


class ClassLookup:
    """Without `ask`, only the cache is read."""

    def __init__(self, cache: Cache, ask: Ask | None = None) -> None:
        self._cache = cache
        self._ask = ask
        self._parsed: dict[str, tuple[Json, MaybeClass]] = {}
        """Name → the object of the cache, and the class"""
        cache.add_listener(self._forget)

    async def find(self, names: Iterable[str]) -> Classes:
        """The classes of these names, as far as they exist. After a class that does not exist, no other is
        asked for: its Connector refuses the Pod anyway."""
        found: dict[str, MaybeClass] = {}
        may_ask = self._ask is not None
        for name in dict.fromkeys(names):
            manifest = self._cache.get("", name)
            if manifest is not None:
                found[name] = self._parse(name, manifest)
            elif name and may_ask and self._ask is not None:
                found[name] = find_class(await self._ask(name))
                may_ask = found[name] is not None
        return with_default_class(found)

    def _parse(self, name: str, manifest: Json) -> MaybeClass:
        known = self._parsed.get(name)
        if known is None or known[0] is not manifest:
            known = self._parsed[name] = manifest, find_class(manifest)
        return known[1]

    def _forget(self, key: tuple[str, str], manifest: Json | None) -> None:
        if manifest is None:
            self._parsed.pop(key[1], None)

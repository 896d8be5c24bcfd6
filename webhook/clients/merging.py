"""The merge of our variables into a container's `env`. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.clients import sources
from webhook.clients.variables import GROUPS, NAMES, blocking, holds_whole_group


@dataclass(frozen=True, slots=True)
class Merged:
    """A container's `env` with our variables."""

    env: list[Any]
    own: Mapping[str, Sequence[str]]
    """Group that stays out → the author's variables that keep it out"""


_NOTHING: Mapping[str, Mapping[str, str]] = {}


def apply(
    env: Sequence[Mapping[str, Any]],
    wanted: Mapping[str, Mapping[str, str]],
    guards: Mapping[str, Mapping[str, str]] = _NOTHING,
) -> Merged:
    """The container's `env` with the wanted groups, and with the guards (`sources.guards`) of these groups.

    group       the user sets a variable of it, or a rival    otherwise
    wanted      `env` stays, and the variable is returned     it is set, its guards one by one
    unwanted    `env` stays                                   a complete group of ours is removed

    New entries stand first, so that the author's can refer to them: Kubernetes expands `$(NAME)` only where
    NAME stands further up. Present entries keep their place, unless an entry further up refers to them. A
    second pass changes nothing. Groups are removed for the copy of a Pod whose annotation has changed.
    """
    merge = _Merge(env)
    for group in GROUPS:
        values = wanted.get(group, {})
        if not merge.touches(group):  # the usual case, without a walk through `env` for each group
            merge.add(values)
        elif found := list(blocking(merge.rest, group, values)):
            if values:
                merge.own[group] = found
            continue
        elif values:
            merge.put(values)
        elif holds_whole_group(merge.rest, group):
            merge.remove(group)
        if values:
            merge.guard(group, guards.get(group, {}))
    return Merged([*merge.front, *merge.rest], merge.own)


class _Merge:
    """One pass over a container's `env`."""

    def __init__(self, env: Sequence[Mapping[str, Any]]) -> None:
        self.front: list[Any] = []
        self.rest: list[Any] = list(env)
        self.own: dict[str, list[str]] = {}
        self._present = {sources.read_as(str(entry.get("name"))) for entry in env}
        self._env = env
        self._known_late: set[str] | None = None
        self._was_guarded = any(
            entry.get("name") == sources.EXTRA_INDEX and sources.text(entry) == sources.BLANK for entry in env
        )

    def touches(self, group: str) -> bool:
        return not self._present.isdisjoint(NAMES[group])

    def add(self, values: Mapping[str, str]) -> None:
        self.front += ({"name": name, "value": text} for name, text in values.items())

    def put(self, values: Mapping[str, str]) -> None:
        """Entries keep their place. Those that are missing, or stand too late, come first."""
        exact = {entry.get("name") for entry in self.rest} - self._late()
        first = {name: text for name, text in values.items() if name not in exact}
        self.add(first)
        self.rest = [
            {**entry, "value": values[entry["name"]]} if entry.get("name") in values else entry
            for entry in self.rest
            if entry.get("name") not in first
        ]

    def _late(self) -> set[str]:
        """See the function. Only an `env` that has variables of ours needs it."""
        if self._known_late is None:
            self._known_late = _late(self._env)
        return self._known_late

    def guard(self, group: str, guards: Mapping[str, str]) -> None:
        """The author's own variable of the same name stays."""
        self.add({name: text for name, text in guards.items() if name not in self._present})
        if self._was_guarded:
            self.rest = [
                entry
                for entry in self.rest
                if entry.get("name") in guards or not sources.is_guard(entry, group)
            ]

    def remove(self, group: str) -> None:
        self.rest = [
            entry
            for entry in self.rest
            if entry.get("name") not in GROUPS[group] and not sources.is_guard(entry, group)
        ]


_REFERENCE = re.compile(r"\$\(([^()]+)\)")


def _late(env: Iterable[Mapping[str, Any]]) -> set[str]:
    """Names of entries to which an entry further up refers."""
    referred: set[str] = set()
    late: set[str] = set()
    for entry in env:
        if entry.get("name") in referred:
            late.add(str(entry.get("name")))
        if "$(" in (text := sources.text(entry) or ""):
            referred.update(_REFERENCE.findall(text))
    return late

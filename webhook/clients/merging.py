"""The merge of our variables into a container's `env`. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

from webhook.clients import references, sources
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
    for group in GROUPS:  # a group may stand in place of its alternative, so these go first
        if group not in wanted and merge.touches(group):
            merge.remove_ours(group)
    for group, values in wanted.items():
        if not merge.touches(group):  # the usual case, without a walk through `env` for each group
            merge.add(values)
        elif own := list(blocking(merge.rest, group, values)):
            merge.own[group] = own
            continue
        else:
            merge.put(values)
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
        self._has_blank = any(
            entry.get("name") == sources.EXTRA_INDEX and sources.text(entry) == sources.BLANK for entry in env
        )

    def touches(self, group: str) -> bool:
        return not self._present.isdisjoint(NAMES[group])

    def add(self, values: Mapping[str, str]) -> None:
        self.front += ({"name": name, "value": text} for name, text in values.items())

    def put(self, values: Mapping[str, str]) -> None:
        """Entries keep their place. Those that are missing, or stand too late, come first."""
        exact = {entry.get("name") for entry in self.rest} - self._referred_above
        first = {name: text for name, text in values.items() if name not in exact}
        self.add(first)
        self.rest = [
            {**entry, "value": values[entry["name"]]} if entry.get("name") in values else entry
            for entry in self.rest
            if entry.get("name") not in first
        ]

    @cached_property
    def _referred_above(self) -> set[str]:
        """The names of entries to which an entry further up refers. Most Pods have no variables of ours, and
        do not need it."""
        return references.referred_above(self._env)

    def guard(self, group: str, guards: Mapping[str, str]) -> None:
        """The author's own variable of the same name stays. Guards of a former rule are removed."""
        self.add({name: text for name, text in guards.items() if name not in self._present})
        former = self._former_guards(group) - guards.keys()
        if former:
            self.rest = [
                entry
                for entry in self.rest
                if entry.get("name") not in former or not sources.is_guard(entry, group)
            ]

    def _former_guards(self, group: str) -> set[str]:
        """Names of the guards that an earlier pass has set. An author may have set the same, and these stay.

        Nobody else writes the blank of pip. Where the author owns that variable, or the group of pip, the
        place tells: guards follow the whole group, as `add` writes them, and the author's stand further down.
        """
        if self._has_blank:
            return set(sources.GUARDS.get(group, ()))
        if group not in sources.GUARDS or not self.touches(group):
            return set()
        present = [entry.get("name") for entry in self._env]
        whole = list(GROUPS[group])
        begin = present.index(whole[0]) if whole[0] in present else 0
        end = begin + len(whole)
        if present[begin:end] != whole:
            return set()
        following = takewhile(lambda entry: sources.is_guard(entry, group), self._env[end:])
        return {str(entry.get("name")) for entry in following}

    def remove_ours(self, group: str) -> None:
        """Remove a group that is complete, and ours as a whole."""
        if not holds_whole_group(self.rest, group) or any(blocking(self.rest, group, {})):
            return
        self.rest = [
            entry
            for entry in self.rest
            if entry.get("name") not in GROUPS[group] and not sources.is_guard(entry, group)
        ]

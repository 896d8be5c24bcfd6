"""What a sidecar's log tells of one connector: how requests ended, and which word was the last. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from webhook.explain.facts import Json, time_of
from webhook.identifiers import ConnectorKey

_DENIED = "package-denied"
"""The Connector's policy said no. That is no fault: pip looks for a newer pip, though it may not have any"""

_PASSING = (_DENIED, "too-busy", "credential-renewed", "client-gone", "redirect")
"""Clients repeat the others by themselves, or are gone."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Requests that were refused for one reason, or failed."""

    reason: str
    detail: str
    is_failure: bool
    """Nobody said no: something did not answer, or broke"""
    count: int
    last: datetime | None
    is_last_word: bool
    """No request of the same kind (install, upload) has succeeded since"""


@dataclass(frozen=True, slots=True)
class Use:
    """What the log holds about one connector."""

    served: int
    last_served: datetime | None
    refusals: tuple[Refusal, ...]
    """The newest first"""
    missing: tuple[str, ...]
    """Packages that the registry does not have, as it said itself"""
    denied: tuple[str, ...]
    """A sentence for each package that the Connector's policy kept back"""


def use_of(lines: Sequence[Json], connector: ConnectorKey) -> Use:
    key = str(connector)
    requests = [one for one in lines if one.get("message") == "request" and one.get("connector") == key]
    served = [one for one in requests if _is_served(one)]
    return Use(
        served=len(served),
        last_served=time_of(served[-1].get("time")) if served else None,
        refusals=tuple(_refusals(requests)),
        missing=tuple(dict.fromkeys(str(one["package"]) for one in requests if _is_missing(one))),
        denied=tuple(dict.fromkeys(str(one["detail"]) for one in requests if one.get("reason") == _DENIED)),
    )


def _is_served(line: Json) -> bool:
    return _status(line) in range(200, 400) and not line.get("reason")


def _is_missing(line: Json) -> bool:
    # pip looks whether there is a newer pip, and few private registries have one
    is_index = line.get("action") == "index" and line.get("package") not in (None, "", "pip")
    return is_index and _status(line) == 404 and not line.get("reason")


def _is_refused(line: Json) -> bool:
    """Of the kind that is somebody's to mend: not a path that no package client asks for."""
    status = _status(line)
    return bool(line.get("reason")) and line["reason"] not in _PASSING and (status == 403 or status >= 500)


def _refusals(requests: Sequence[Json]) -> Iterator[Refusal]:
    refused = [one for one in requests if _is_refused(one)]
    last_words = {_kind(one): one for one in requests if _is_refused(one) or _is_served(one)}
    for reason in dict.fromkeys(str(one["reason"]) for one in reversed(refused)):
        same = [one for one in refused if one["reason"] == reason]
        yield Refusal(
            reason=reason,
            detail=str(same[-1].get("detail") or ""),
            is_failure=_status(same[-1]) >= 500,
            count=len(same),
            last=time_of(same[-1].get("time")),
            is_last_word=any(one is last_words[_kind(one)] for one in same),
        )


def _kind(line: Json) -> bool:
    """Whether it is an upload: what is refused before it is routed has no action."""
    return line.get("method") == "POST"


def _status(line: Json) -> int:
    status = line.get("status")
    return status if isinstance(status, int) else 0

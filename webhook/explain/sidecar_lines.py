"""The requests for one connector in a sidecar's log: how they ended, and which ended last. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sidecar.contract.words import NO_GRANT, NO_GRANT_YET, Code, Line
from webhook.explain.facts import Json, time_of
from webhook.identifiers import ConnectorKey

_PASSING = (
    Code.PACKAGE_DENIED,  # pip looks for a newer pip, even where the Connector's policy denies it
    Code.TOO_BUSY,
    Code.CREDENTIAL_RENEWED,
    Code.CLIENT_GONE,
    Code.REDIRECT,
    Code.NEXT_CONNECTOR,
)
"""Reasons that need no action: clients repeat these requests by themselves, or have left"""
_NOT_FOUND = 404
_ACTIONABLE = (Code.FILE_NOT_LISTED, Code.UPLOAD_UNCONFIRMED)
"""Reasons that need an action, whatever the status is"""


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """Requests that were refused, or failed, for the same reason."""

    reason: str
    detail: str
    """The newest request's sentence"""
    cause: str
    """The same without the words in which the sidecar says that there is no grant"""
    is_failure: bool
    """Not a refusal: a server did not answer, or broke off"""
    count: int
    last: datetime | None
    is_last_word: bool
    """No request of the same kind (install, upload) has succeeded since"""


@dataclass(frozen=True, slots=True)
class Use:
    """The use of one connector, as far as the log goes back."""

    served: int
    has_served_files: bool
    """Or uploads: more than pages, which a web interface answers too"""
    last_served: datetime | None
    refusals: tuple[RefusedRequests, ...]
    """Newest first"""
    missing: tuple[str, ...]
    """Packages for which the registry answered 404"""
    passed_on: tuple[str, ...]
    """Packages of these for which the next connector was asked"""
    redirected: tuple[str, ...]
    """A sentence for each place that index pages were redirected to and not followed"""
    denied: tuple[str, ...]
    """A sentence for each package that the Connector's policy denied"""


def use_of(lines: Sequence[Json], connector: ConnectorKey) -> Use:
    requests = [line for line in lines if line.get("message") == Line.REQUEST]
    requests = [line for line in requests if line.get("connector") == str(connector)]
    served = [line for line in requests if _is_served(line)]
    missing = [line for line in requests if _is_missing(line)]
    denied = [line for line in requests if line.get("reason") == Code.PACKAGE_DENIED]
    return Use(
        served=len(served),
        has_served_files=any(line.get("action") in ("file", "upload") for line in served),
        last_served=time_of(served[-1].get("time")) if served else None,
        refusals=tuple(_refusals(requests)),
        missing=tuple(dict.fromkeys(str(line["package"]) for line in missing)),
        passed_on=tuple(
            dict.fromkeys(str(line["package"]) for line in missing if line["status"] != _NOT_FOUND)
        ),
        redirected=tuple(
            dict.fromkeys(str(line["detail"]) for line in requests if _is_redirected_away(line))
        ),
        denied=tuple(dict.fromkeys(str(line["detail"]) for line in denied)),
    )


def _is_served(line: Json) -> bool:
    return _status(line) in range(200, 400) and not line.get("reason")


def _is_missing(line: Json) -> bool:
    # pip looks for a newer pip, which few private registries have
    if line.get("action") != "index" or line.get("package") in (None, "", "pip"):
        return False
    is_passed_on = line.get("reason") == Code.NEXT_CONNECTOR
    return is_passed_on or (_status(line) == _NOT_FOUND and not line.get("reason"))


def _is_refused(line: Json) -> bool:
    """Whether an administrator could help. Paths that no package client asks for are left out."""
    status, reason = _status(line), line.get("reason")
    if not reason or reason in _PASSING:
        return False
    return reason in _ACTIONABLE or status == 403 or status >= 500


def _is_redirected_away(line: Json) -> bool:
    """Some registries send whoever misses a package to pypi.org; pip looks for a newer pip, too."""
    is_away = line.get("reason") == Code.REDIRECT_NOT_FOLLOWED and _status(line) == 404
    return is_away and line.get("package") != "pip"


def _refusals(requests: Sequence[Json]) -> Iterator[RefusedRequests]:
    refused = [line for line in requests if _is_refused(line)]
    last_words = {_is_upload(line): line for line in requests if _is_refused(line) or _is_served(line)}
    for reason in dict.fromkeys(str(line["reason"]) for line in reversed(refused)):
        same = [line for line in refused if line["reason"] == reason]
        detail = str(same[-1].get("detail") or "")
        yield RefusedRequests(
            reason=reason,
            detail=detail,
            cause=detail.removeprefix(NO_GRANT).removeprefix(NO_GRANT_YET),
            is_failure=_status(same[-1]) >= 500,
            count=len(same),
            last=time_of(same[-1].get("time")),
            is_last_word=any(line is last_words[_is_upload(line)] for line in same),
        )


def _is_upload(line: Json) -> bool:
    """By the method: a request that is refused before it is routed has no action."""
    return line.get("method") == "POST"


def _status(line: Json) -> int:
    status = line.get("status")
    return status if isinstance(status, int) else 0

"""The loopback URLs that clients are given: one index, one publish target, sections for the rest. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from webhook import names
from webhook.pod.request import Request


def index_url(port: int) -> str:
    """The reference system's shape, whatever the registry's own path is."""
    return f"http://127.0.0.1:{port}/simple/"


def upload_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the clients of one Pod (or of `run`) are told."""

    index_url: str | None
    """None: no index is configured (no `pipconf`)"""
    upload_url: str | None
    """None: nothing may be uploaded (no `pypirc`)"""
    upload_check_url: str | None
    """Index of the publish target: uv asks it which files are there already"""
    sections: tuple[tuple[str, str], ...] = ()
    """Section of `.pypirc` → URL for every further connector"""


def endpoints(request: Request, ports: Mapping[str, int]) -> Endpoints:
    """`ports` holds every connector of the request."""
    target = request.publish_target
    return Endpoints(
        index_url=index_url(ports[request.connectors[0]]) if request.has_pipconf else None,
        upload_url=upload_url(ports[target]) if target else None,
        upload_check_url=index_url(ports[target]) if target else None,
        sections=_sections(request, ports) if target else (),
    )


def _sections(request: Request, ports: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for connector in request.connectors[1:]:
        section = f"{names.ALIAS}-{connector.replace('/', '-')}"
        if section in found:
            # a/b-c and a-b/c read the same; a section twice makes the whole file unreadable
            section += f"-{ports[connector]}"
        found[section] = upload_url(ports[connector])
    return tuple(found.items())

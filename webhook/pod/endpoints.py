"""The URLs that the clients of a Pod are given: an index, a publish target, sections for the rest. Pure."""

from collections.abc import Mapping

from webhook import names
from webhook.clients.endpoints import Endpoints, index_url, upload_url
from webhook.identifiers import ConnectorKey
from webhook.pod.request import Request


def endpoints(request: Request, ports: Mapping[ConnectorKey, int]) -> Endpoints:
    """`ports` holds every connector of the request."""
    target = request.publish_target
    return Endpoints(
        index_url=index_url(ports[request.connectors[0]]) if request.has_pipconf else None,
        upload_url=upload_url(ports[target]) if target else None,
        upload_check_url=index_url(ports[target]) if target else None,
        sections=_sections(request, ports) if target else (),
    )


def _sections(request: Request, ports: Mapping[ConnectorKey, int]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for connector in request.connectors[1:]:
        section = f"{names.ALIAS}-{connector.namespace}-{connector.name}"
        if section in found:
            # a/b-c and a-b/c read the same; a section twice makes the whole file unreadable
            section += f"-{ports[connector]}"
        found[section] = upload_url(ports[connector])
    return tuple(found.items())

"""The URLs for the clients of a Pod: an index, a publish target, and sections for other connectors. Pure."""

from collections.abc import Mapping

from webhook import names
from webhook.clients.endpoints import Endpoints, index_url, upload_url
from webhook.identifiers import ConnectorKey
from webhook.pod.request import Request


def endpoints(
    request: Request, ports: Mapping[ConnectorKey, int], *, admits_extra_indexes: bool = False
) -> Endpoints:
    """`ports` has a port for each connector of the request."""
    target = request.publish_target
    return Endpoints(
        index_url=index_url(ports[request.connectors[0]]) if request.has_pipconf else None,
        upload_url=upload_url(ports[target]) if target else None,
        upload_check_url=index_url(ports[target]) if target else None,
        sections=_sections(request, ports) if target else (),
        template_index_url=index_url(ports[request.connectors[0]]),
        admits_extra_indexes=admits_extra_indexes,
    )


def _sections(request: Request, ports: Mapping[ConnectorKey, int]) -> tuple[tuple[str, str], ...]:
    urls: dict[str, str] = {}
    for connector in request.connectors[1:]:
        section = f"{names.ALIAS}-{connector.namespace}-{connector.name}"
        if section in urls:
            # a/b-c and a-b/c give the same name, and clients cannot read a file that has a section twice
            section += f"-{ports[connector]}"
        urls[section] = upload_url(ports[connector])
    return tuple(urls.items())

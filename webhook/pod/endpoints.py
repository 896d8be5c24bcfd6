"""The URLs for the clients of a Pod: an index, and publish targets. Pure."""

from collections.abc import Mapping

from webhook import names
from webhook.clients.endpoints import Endpoints, Target, check_url, index_url, upload_url
from webhook.identifiers import ConnectorKey
from webhook.pod.request import Request


def endpoints(
    request: Request, ports: Mapping[ConnectorKey, int], *, admits_extra_indexes: bool = False
) -> Endpoints:
    """`ports` has a port for each connector of the request."""
    target = next(iter(request.publish_targets), None)
    return Endpoints(
        index_url=index_url(ports[request.connectors[0]]) if request.has_pipconf else None,
        upload_url=upload_url(ports[target]) if target else None,
        upload_check_url=_check_url(request, ports, target) if target else None,
        targets=_named_targets(request, ports),
        template_index_url=index_url(ports[request.connectors[0]]),
        admits_extra_indexes=admits_extra_indexes,
    )


def _named_targets(request: Request, ports: Mapping[ConnectorKey, int]) -> tuple[Target, ...]:
    """Those of the annotation. Without it, the one target has no name but the alias."""
    targets: dict[str, Target] = {}
    for connector in request.publish_targets if request.publish_connectors else ():
        port = ports[connector]
        name = f"{names.ALIAS}-{connector.namespace}-{connector.name}"
        if name in targets:
            # a/b-c and a-b/c give the same name, and clients cannot read a file that has a section twice
            name += f"-{port}"
        targets[name] = Target(name, upload_url(port), _check_url(request, ports, connector))
    return tuple(targets.values())


def _check_url(request: Request, ports: Mapping[ConnectorKey, int], target: ConnectorKey) -> str:
    return check_url(ports[target], is_followed=target in request.order[:-1])

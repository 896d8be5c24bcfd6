"""The address of the proxy for a Connector: what its status records, and what a token may go to. Pure.

Without the gateway it is the loopback address of injected Pods. With the gateway it is a Service of the
Connector's own, or a path of the gateway's Service.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from webhook import names
from webhook.connector.reasons import ConditionReason
from webhook.errors import InvalidValue
from webhook.identifiers import ConnectorKey, is_label

DEFAULT_DOMAIN = "cluster.local"


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """Where clients find the proxy, and whether it serves them there."""

    url: str
    is_serving: bool = True
    reason: str = ConditionReason.VALID
    message: str = ""
    """Empty: the URL says it all"""


def service_name(connector: str) -> str | None:
    """The Service of a Connector; None if no Service can be called so (RFC 1123: a label)."""
    name = f"c-{connector}"
    return name if is_label(name) else None


def gateway_host(namespace: str, domain: str) -> str:
    return f"{names.GATEWAY}.{namespace}.svc.{domain}"


def service_url(key: ConnectorKey, domain: str) -> str:
    """In the form of the reference system."""
    return f"http://c-{key.name}.{key.namespace}.svc.{domain}"


def path_url(key: ConnectorKey, gateway: str) -> str:
    """For a Connector without a Service of its own, or behind an Ingress; `gateway` is the gateway's URL."""
    return f"{gateway.rstrip('/')}/namespaces/{key.namespace}/connectors/{key.name}/"


def check_gateway_url(url: str) -> None:
    """Raises `InvalidValue` if it cannot be the URL of an Ingress or of the gateway's Service."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    is_odd = any(character in "@?#\"'%\\" or not "!" <= character <= "~" for character in url)
    if not is_usable or is_odd:
        raise InvalidValue("must read https://HOST or https://HOST/PATH, without user, query and escapes")


def own_address(key: ConnectorKey, recorded: str) -> str | None:
    """The address that a Connector's status records, with a trailing slash. None if it leads elsewhere.

    Users who may write a status could name a host of theirs there, and the token would go to it. Of a cluster
    with another domain than the default, only the user can say what is inside it.
    """
    address = f"{recorded.rstrip('/')}/"
    return address if address in _own_addresses(key) else None


def _own_addresses(key: ConnectorKey) -> list[str]:
    """Its Service, and the path form. A name that no Service can have may be the host name of a Pod."""
    has_service = service_name(key.name) is not None
    urls = [service_url(key, DEFAULT_DOMAIN)] if has_service else []
    urls.append(path_url(key, f"http://{gateway_host(names.NAMESPACE, DEFAULT_DOMAIN)}"))
    short = [url.replace(f".svc.{DEFAULT_DOMAIN}", ".svc", 1) for url in urls]
    return [f"{url.rstrip('/')}/" for url in (*urls, *short)]


def cluster_domain(resolv_conf: str, namespace: str) -> str:
    """The cluster's DNS domain: the kubelet writes `search NAMESPACE.svc.DOMAIN …` for a Pod.

    https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#namespaces-of-services
    """
    prefix = f"{namespace}.svc."
    for line in resolv_conf.splitlines():
        words = line.split()
        for word in words[1:] if words[:1] == ["search"] else []:
            if word.startswith(prefix):
                return word.removeprefix(prefix).rstrip(".")
    return DEFAULT_DOMAIN

"""Addresses at which the gateway serves a connector: a host of its own, or a path below any host. Pure."""

from collections.abc import Collection
from urllib.parse import urlsplit

from webhook import names
from webhook.errors import InvalidValue
from webhook.identifiers import ConnectorKey

CLUSTER_DOMAIN = "cluster.local"


def own_hosts(key: ConnectorKey) -> Collection[str]:
    """The names of the connector's Service."""
    service = f"c-{key.name}.{key.namespace}.svc"
    return (service, f"{service}.{CLUSTER_DOMAIN}")


def own_address(key: ConnectorKey, recorded: str) -> str | None:
    """The address that a Connector's status records, with a trailing slash. None if it leads elsewhere.

    Users who may write a status could name a host of theirs there, and the token would go to it.
    """
    return f"{recorded.rstrip('/')}/" if recorded.rstrip("/") in _own_urls(key) else None


def path_address(key: ConnectorKey, url: str) -> str:
    """The path form below the URL of an Ingress or of the gateway's Service. Raises `InvalidValue`."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    odd = any(character in url for character in "@?#\"'%\\") or any(not "!" <= one <= "~" for one in url)
    if not is_usable or odd:
        raise InvalidValue("must read https://HOST or https://HOST/PATH, without user, query and escapes")
    return f"{url.rstrip('/')}/namespaces/{key.namespace}/connectors/{key.name}/"


def _own_urls(key: ConnectorKey) -> list[str]:
    """Its Service, and the path form, which a Connector has whose name no Service can have."""
    gateway = f"{names.GATEWAY}.{names.NAMESPACE}.svc"
    paths = (
        path_address(key, f"http://{host}").rstrip("/") for host in (gateway, f"{gateway}.{CLUSTER_DOMAIN}")
    )
    return [*(f"http://{host}" for host in own_hosts(key)), *paths]

"""The address of the proxy for a Connector, as its status records it. Pure.

Without the gateway it is the loopback address of injected Pods. With the gateway it is a Service of the
Connector's own, or a path of the gateway's Service.
"""

from dataclasses import dataclass

from webhook import names
from webhook.connector.reasons import ConditionReason
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
    """For a Connector without a Service of its own; `gateway` is the gateway's host name."""
    return f"http://{gateway}/namespaces/{key.namespace}/connectors/{key.name}/"


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

"""The paths of the Kubernetes API that this product uses. Pure.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

from urllib.parse import quote

from webhook import names

_CORE = "/api/v1"
_CONNECTORS = f"/apis/{names.API_VERSION}"

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 (a path)
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
NAMESPACES = f"{_CORE}/namespaces"
WEBHOOK_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
QUOTAS = f"{_CORE}/resourcequotas"
LIMIT_RANGES = f"{_CORE}/limitranges"
SERVICES = f"{_CORE}/services"
CSI_DRIVERS = "/apis/storage.k8s.io/v1/csidrivers"
CONNECTOR_CLASSES = f"{_CONNECTORS}/connectorclasses"


def namespace(name: str) -> str:
    return f"{NAMESPACES}/{quote(name, safe='')}"


def pod(namespace_name: str, name: str) -> str:
    return _core(namespace_name, "pods", name)


def pods(namespace_name: str) -> str:
    return _core(namespace_name, "pods")


def pod_log(namespace_name: str, name: str) -> str:
    return pod(namespace_name, name) + "/log"


def secrets(namespace_name: str) -> str:
    return _core(namespace_name, "secrets")


def secret(namespace_name: str, name: str) -> str:
    return _core(namespace_name, "secrets", name)


def config_maps(namespace_name: str) -> str:
    return _core(namespace_name, "configmaps")


def config_map(namespace_name: str, name: str) -> str:
    return _core(namespace_name, "configmaps", name)


def service_account_token(namespace_name: str, name: str) -> str:
    return _core(namespace_name, "serviceaccounts", name, "token")


def replica_sets(namespace_name: str) -> str:
    return f"/apis/apps/v1/namespaces/{quote(namespace_name, safe='')}/replicasets"


def deployment(namespace_name: str, name: str) -> str:
    base = f"/apis/apps/v1/namespaces/{quote(namespace_name, safe='')}/deployments"
    return f"{base}/{quote(name, safe='')}"


def services(namespace_name: str) -> str:
    return _core(namespace_name, "services")


def service(namespace_name: str, name: str) -> str:
    return _core(namespace_name, "services", name)


def events(namespace_name: str) -> str:
    return _core(namespace_name, "events")


def event(namespace_name: str, name: str) -> str:
    return _core(namespace_name, "events", name)


def leases(namespace_name: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace_name, safe='')}/leases"


def lease(namespace_name: str, name: str) -> str:
    return f"{leases(namespace_name)}/{quote(name, safe='')}"


def webhook_configuration(name: str) -> str:
    return f"{WEBHOOK_CONFIGURATIONS}/{quote(name, safe='')}"


def connectors(namespace_name: str | None = None) -> str:
    """The Connectors of one namespace, or of all namespaces."""
    if namespace_name is None:
        return f"{_CONNECTORS}/connectors"
    return f"{_CONNECTORS}/namespaces/{quote(namespace_name, safe='')}/connectors"


def connector(namespace_name: str, name: str) -> str:
    return f"{connectors(namespace_name)}/{quote(name, safe='')}"


def connector_status(namespace_name: str, name: str) -> str:
    return connector(namespace_name, name) + "/status"


def connector_class(name: str) -> str:
    return f"{CONNECTOR_CLASSES}/{quote(name, safe='')}"


def connector_class_status(name: str) -> str:
    return connector_class(name) + "/status"


def _core(namespace_name: str, *parts: str) -> str:
    return "/".join([namespace(namespace_name), *(quote(part, safe="") for part in parts)])

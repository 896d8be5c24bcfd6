"""All names that Pods, policies and people see: annotations, labels, containers, volumes, objects."""

GROUP = "connectors.alauda.io"
API_VERSION = GROUP + "/v1alpha1"

# -- annotations that a Pod's author writes
CONNECTOR = GROUP + "/connector"
"""A comma list of `name` or `namespace/name`. The first connector is the index and the publish target. Each
of the others is asked for projects that those before it do not have."""
PUBLISH_CONNECTOR = GROUP + "/publish-connector"
"""A comma list of other connectors for uploads. The first is the default target."""
CONFIGURATIONS = GROUP + "/configurations"
"""A comma list of `pipconf`, `pypirc` (default both) and the class's own. Without `pypirc`, no uploads."""
CONTAINERS = GROUP + "/containers"
"""A comma list of the containers that get mounts and variables; default all, init containers included."""
PORT = GROUP + "/port"
"""The loopback port of the first connector."""
CPU_REQUEST = GROUP + "/sidecar-cpu-request"
CPU_LIMIT = GROUP + "/sidecar-cpu-limit"
MEMORY_REQUEST = GROUP + "/sidecar-memory-request"
MEMORY_LIMIT = GROUP + "/sidecar-memory-limit"
LOG_LEVEL = GROUP + "/log-level"
INJECT = GROUP + "/inject"
"""Only `"false"` opts out."""

# -- written by the webhook
RESULT = GROUP + "/result"
"""JSON `{"decision", "reason", "message"}`; `RESULT_INHERITED` and `RESULT_ASKED_BY` where they apply."""
RESULT_INHERITED = "inherited"
"""The annotations that the Namespace has given the Pod"""
RESULT_ASKED_BY = "askedBy"
ASKED_BY_NAMESPACE = "Namespace"
"""The Pod itself named no connector. The registration of the webhook searches the result for this."""
RESULT_SKIPPED = "skipped"
"""The decision on a Pod that is let through without a sidecar. Guard 4 searches the result for it."""
INJECTED_LABEL = GROUP + "/injected"
PROXY_SERVICE_LABEL = GROUP + "/proxy-of"
"""On a Service that leads to the gateway: the name of its Connector."""
CSI_VOLUMES = GROUP + "/csi-volumes"
"""JSON: volume → the attributes with which it was served, or `LEFT_TO_DRIVER`."""
LEFT_TO_DRIVER = "driver"
"""A CSIDriver of that name is installed. Guard 4 looks for it."""

# -- on a Namespace
OPTED_IN = "enabled"
"""The value of the label `INJECT` that opts a Namespace in: its annotations are defaults for new Pods."""
ALLOW_UNCONFINED = GROUP + "/allow-unconfined"
"""Label. `"true"`: Pods that could look into other containers are injected nevertheless."""

AUTHOR_ANNOTATIONS = (
    CONNECTOR,
    PUBLISH_CONNECTOR,
    CONFIGURATIONS,
    CONTAINERS,
    PORT,
    CPU_REQUEST,
    CPU_LIMIT,
    MEMORY_REQUEST,
    MEMORY_LIMIT,
    LOG_LEVEL,
    INJECT,
)
NAMESPACE_ANNOTATIONS = tuple(name for name in AUTHOR_ANNOTATIONS if name != INJECT)
"""The annotations that may stand on a Namespace"""

# -- parts of an injected Pod
SIDECAR = "pypi-connector"
CONFIG_VOLUME = "pypi-connector-config"
TOKEN_VOLUME = "pypi-connector-token"  # noqa: S105 (a name)
EMPTY_VOLUME = "pypi-connector-empty"
"""An empty volume that hides the Pod's API token from the sidecar."""
SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"
PIP_CONF = "pip.conf"
PYPIRC = ".pypirc"
UV_TOML = "uv.toml"
SYSTEM_FILES = {PIP_CONF: "/etc/xdg/pip/pip.conf", UV_TOML: "/etc/xdg/uv/uv.toml"}
"""File → its second path, for clients that see no environment (`sudo`, `env -i`)."""

# -- the product's own objects
NAMESPACE = "pypi-connector-system"
ADMISSION = "pypi-connector-admission"
BROKER = "pypi-connector-broker"
GATEWAY = "pypi-connector-gateway"
"""Deployment, Service and ServiceAccount of the optional gateway."""
SIDECAR_IMAGE = "pypi-connector-sidecar"
WEBHOOK_CONFIGURATION = "pypi-connector"
"""MutatingWebhookConfiguration; the broker keeps its `caBundle`."""
CA_SECRET = "pypi-connector-ca"  # noqa: S105 (a name)
ADMISSION_TLS_SECRET = "pypi-connector-admission-tls"  # noqa: S105 (a name)
BROKER_TLS_SECRET = "pypi-connector-broker-tls"  # noqa: S105 (a name)
GATEWAY_TLS_SECRET = "pypi-connector-gateway-tls"  # noqa: S105 (a name)
SIDECAR_IMAGES = "pypi-connector-sidecar-images"
"""ConfigMap: the sidecar images that this installation has injected. The broker maintains it."""
CONTROLLER_LEASE = "pypi-connector-controller"
SECRET_READER_ROLE = "pypi-connector-secret-reader"  # noqa: S105 (a name)
"""ClusterRole: the broker may read Secrets, in all namespaces or in chosen ones."""
USER_ROLE = "pypi-connector-user"
"""ClusterRole: install through a Connector of another namespace."""
PUBLISHER_ROLE = "pypi-connector-publisher"
"""ClusterRole: install and upload through a Connector of another namespace."""

# -- terms of Kubernetes and of the reference system
CSI_DRIVER = "connectors-csi"
"""The reference system's driver. Where no CSIDriver of that name exists, this product serves its volumes."""
DESCRIPTION = "cpaas.io/description"
DISPLAY_NAME = "cpaas.io/display-name"
"""Annotations of a Connector, for people."""
CONNECTOR_CLASS = "pypi"
"""The class that every installation has."""
AUTH_NAME = "basicAuth"
SECRET_TYPE = "kubernetes.io/basic-auth"  # noqa: S105 (a type)
SECRET_KEYS = ("username", "password", "ca.crt")
"""The keys of a Secret that the product reads."""
PIPCONF_CONFIGURATION = "pipconf"
PYPIRC_CONFIGURATION = "pypirc"
UV_CONFIGURATION = "uv"
ALIAS = "connectors-pypi"
"""The section of `.pypirc`, as in the reference system. It names the default target."""

SETTINGS_PREFIX = "WEBHOOK_"
"""Of the variables of admission and broker. Kubernetes sets PYPI_CONNECTOR_… itself, from Service names."""

"""The Service of a Connector that leads to the gateway: what it should be, and whose it is. Pure.

It is an ExternalName: the cluster's DNS leads its name to the gateway's Service, and the gateway knows the
Connector by the request's Host. No other part of the cluster, such as kube-proxy, has any work with it.

https://kubernetes.io/docs/concepts/services-networking/service/#externalname
"""

from collections.abc import Mapping
from typing import Any

from webhook import names
from webhook.cluster.trim import Json
from webhook.connector.fields import as_mapping
from webhook.identifiers import ConnectorKey

_SPEC_FIELDS = ("type", "externalName")


def proxy_service(name: str, key: ConnectorKey, uid: str, gateway: str) -> Json:
    """`uid` is the Connector's: the garbage collector removes the Service after it."""
    owner = {"apiVersion": names.API_VERSION, "kind": "Connector", "name": key.name, "uid": uid}
    labels = {
        "app.kubernetes.io/managed-by": names.SIDECAR,
        names.PROXY_SERVICE_LABEL: key.name,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": key.namespace,
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "type": "ExternalName",
            "externalName": gateway,
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        },
    }


def is_ours(service: Mapping[str, Any]) -> bool:
    return names.PROXY_SERVICE_LABEL in as_mapping(as_mapping(service.get("metadata")).get("labels"))


def is_as_wanted(service: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether nothing has to be written: where it leads, whose it is, and who owns it."""
    metadata, spec = as_mapping(service.get("metadata")), as_mapping(service.get("spec"))
    labels = as_mapping(metadata.get("labels"))
    owners = metadata.get("ownerReferences")
    owned = [
        (owner.get("kind"), owner.get("uid"))
        for owner in (owners if isinstance(owners, list) else [])
        if isinstance(owner, Mapping)
    ]
    owner = wanted["metadata"]["ownerReferences"][0]
    return (
        labels.get(names.PROXY_SERVICE_LABEL) == wanted["metadata"]["labels"][names.PROXY_SERVICE_LABEL]
        and owned == [(owner["kind"], owner["uid"])]
        and all(spec.get(field) == wanted["spec"][field] for field in _SPEC_FIELDS)
        and not spec.get("externalIPs")
    )


def trim_service(service: Json) -> Json:
    """What `is_ours` and `is_as_wanted` read, and the version."""
    metadata, spec = as_mapping(service.get("metadata")), as_mapping(service.get("spec"))
    kept = ("name", "namespace", "resourceVersion", "labels", "ownerReferences", "deletionTimestamp")
    fields = (*_SPEC_FIELDS, "externalIPs")
    return {
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {name: spec[name] for name in fields if name in spec},
    }

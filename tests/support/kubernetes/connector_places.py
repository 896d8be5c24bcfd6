"""Namespaces with a Connector and its status, and a registry that accepts only its password."""

import base64
from dataclasses import dataclass
from typing import Any

from support.kubernetes.kube import Kube
from support.servers.registry import Call
from webhook import names
from webhook.status.reported import condition

PASSWORD = "canary-71d4-right"
FAST = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with a Connector `pypi` that names the Secret `login`."""

    kube: Kube
    namespace: str

    def connector(self, address: str, name: str = "pypi", **changes: Any) -> None:
        spec = {
            "connectorClassName": "pypi",
            "address": address,
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            "params": [{"name": "allowInsecureHTTP", "value": "true"}],
            **changes,
        }
        metadata = {"name": name, "namespace": self.namespace}
        manifest = {"apiVersion": names.API_VERSION, "kind": "Connector", "metadata": metadata}
        self.kube.apply({**manifest, "spec": {key: one for key, one in spec.items() if one is not None}})

    def secret(self, name: str = "login", **data: str) -> None:
        kind = names.SECRET_TYPE if "password" in data else "Opaque"
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        encoded = {
            key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()
        }
        self.kube.apply({**manifest, "type": kind, "data": encoded}, namespace=self.namespace)

    def login(self, password: str = PASSWORD) -> None:
        self.secret(username="robot", password=password)

    def get(self, name: str = "pypi") -> dict[str, Any]:
        return self.kube.get("connector", name, self.namespace)

    def said(self, kind: str = "Ready", name: str = "pypi") -> tuple[str, str, str]:
        one = condition(self.get(name), kind)
        return one.get("status", ""), one.get("reason", ""), one.get("message", "")

    def wait_ready(self, name: str = "pypi") -> None:
        self.kube.wait_for_condition("connector", name, "Ready", self.namespace)

    def wait_said(self, kind: str, status: str, reason: str, name: str = "pypi") -> str:
        """Wait for this reason of a condition; the message."""
        self.kube.wait_for(lambda: self.said(kind, name)[:2] == (status, reason), what=f"{kind} {reason}")
        return self.said(kind, name)[2]

    def reasons(self) -> list[tuple[str, str]]:
        return [(one["type"], one["reason"]) for one in self.kube.events(self.namespace, "pypi")]


def guarded(call: Call) -> None:
    right = "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
    status = 200 if call.request.header("authorization") == right else 401
    page = b'<a href="x-1.0.zip">x-1.0.zip</a>'
    call.reply(status, page, {"Content-Type": "text/html"})

"""A gateway's Pod, its clients' tokens, and its requests to the real broker. The Pod never runs."""

from dataclasses import dataclass
from typing import Any

import httpx

from sidecar.contract.gateway import GatewayGrant
from support.kubernetes.grant_places import CANARY, Place
from support.kubernetes.kube import Kube
from webhook import names

CLIENTS = "pypi-connector-gateway"
"""The audience of their tokens"""
BROKER = "pypi-connector"
POD = "gateway-1"


def gateway_pod(name: str = POD, account: str = names.GATEWAY) -> dict[str, Any]:
    containers = [{"name": "gateway", "image": "example.test/webhook:1"}]
    spec = {"serviceAccountName": account, "schedulerName": "nobody", "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def mint(
    kube: Kube, namespace: str, account: str, audience: str, *, pod: str = "", duration: str = "10m"
) -> str:
    bound = ["--bound-object-kind", "Pod", "--bound-object-name", pod] if pod else []
    options = ["--audience", audience, "--duration", duration, *bound]
    return kube.run("create", "token", account, "-n", namespace, *options).stdout.strip()


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway's Pod, and a namespace with clients."""

    place: Place
    own: str
    """Its token for the broker"""

    def client(self, account: str = "default", **options: Any) -> str:
        return mint(self.place.kube, self.place.namespace, account, CLIENTS, **options)

    def ask(self, token: str, key: str = "") -> httpx.Response:
        self.place.caplog.clear()
        return self.place.broker.ask_as_gateway(self.own, token, key or self.place.key)

    def granted(self, token: str, key: str = "") -> GatewayGrant:
        answer = self.ask(token, key)
        assert answer.status_code == 200, answer.text
        return GatewayGrant.parse(answer.content)

    def refused(self, token: str, key: str = "") -> tuple[int, str, str]:
        answer = self.ask(token, key)
        fields = answer.json()
        assert CANARY not in answer.text
        return answer.status_code, fields["reason"], fields["detail"]

    def until(self, token: str, status: int, key: str = "") -> None:
        """A change of RBAC, or a forgotten review, takes some seconds."""
        self.place.kube.wait_for(
            lambda: self.ask(token, key).status_code == status, what=f"an answer with {status}"
        )

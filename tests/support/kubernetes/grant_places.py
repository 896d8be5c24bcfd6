"""Namespaces whose Pods ask the real broker. Each answer has an Event and an audit line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from certs.authority import create_authority
from sidecar.contract.grant import Grant
from support.components.brokers import Broker
from support.kubernetes.kube import Kube
from webhook import names
from webhook.connector.manifest import parse_connector
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import decide
from webhook.pod.settings import Settings

CANARY = "canary-51c2-api"
SETTINGS = Settings(
    sidecar_image="registry.example/sidecar:1",
    allowed_images=("registry.example/sidecar:1",),
    broker_ca=(create_authority(datetime.now(UTC)).certificate,),
)
SHARED = "shared"


def connector(**params: str) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "metadata": {"name": "pypi"},
        "spec": {
            "connectorClassName": "pypi",
            "address": "https://registry.example",
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            "params": [{"name": key, "value": value} for key, value in params.items()],
        },
    }


def login(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login"},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": "reader", "password": CANARY},
        **changes,
    }


def injected(namespace: str, **annotations: str) -> dict[str, Any]:
    """A Pod as admission leaves it."""
    chosen = {"connector": "pypi", **annotations}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "job",
            "namespace": namespace,
            "annotations": {f"{names.GROUP}/{key}": text for key, text in chosen.items()},
        },
        "spec": {"containers": [{"name": "main", "image": "python"}]},
    }

    def lookup(key: ConnectorKey) -> Any:
        return parse_connector({**connector(), "metadata": key._asdict()})

    decision = decide(pod, namespace=namespace, lookup=lookup, settings=SETTINGS)
    assert decision.pod, decision.message
    return decision.pod


def binding(role: str, subject: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{role}-{subject['namespace']}"},
        "subjects": [{"kind": "ServiceAccount", **subject}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    }


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace, and the broker that is asked by its Pods."""

    kube: Kube
    broker: Broker
    namespace: str
    caplog: pytest.LogCaptureFixture

    @property
    def key(self) -> str:
        return f"{self.namespace}/pypi"

    def create(self, *manifests: Mapping[str, Any]) -> None:
        self.kube.create(*manifests, namespace=self.namespace)

    def create_pod(self, **annotations: str) -> str:
        """Create a Pod as admission leaves it; its uid."""
        return self.create_as_is(injected(self.namespace, **annotations))

    def create_as_is(self, pod: Mapping[str, Any]) -> str:
        self.create(pod)
        return str(self.kube.get("pod", "job", self.namespace)["metadata"]["uid"])

    def token(self, *options: str, audience: str = "pypi-connector") -> str:
        command = ["create", "token", "default", "-n", self.namespace, "--audience", audience, *options]
        return self.kube.run(*command).stdout.strip()

    def bound_token(self, **options: str) -> str:
        """A token like the kubelet's for the Pod."""
        return self.token("--bound-object-kind", "Pod", "--bound-object-name", "job", **options)

    def ask(self, token: str, key: str | None = None) -> httpx.Response:
        self.caplog.clear()
        return self.broker.ask(token, key or self.key)

    def granted(self, token: str, key: str | None = None) -> Grant:
        response = self.ask(token, key)
        assert response.status_code == 200, response.text
        self._check_audit("granted", "Granted")
        return Grant.parse(response.content)

    def refused(
        self,
        token: str,
        status: int,
        reason: str,
        *,
        uid: str | None,
        key: str | None = None,
        is_reviewed: bool = True,
    ) -> str:
        """The sentence. Event and audit line are as they must be; without `uid` there is no Event, and no
        line for a token that is refused by its claims, before any review: these are counted."""
        before = len(self.events())
        response = self.ask(token, key)
        problem = response.json()
        assert (response.status_code, problem["reason"]) == (status, reason), problem
        if is_reviewed:
            self._check_audit("refused", reason)
        else:
            assert "grant" not in [record.msg for record in self.caplog.records]
        if uid is None:
            assert len(self.events()) == before
        else:
            event = self.event(uid, reason)
            assert event["type"] == "Warning"
            assert event["message"] == f"Connector {key or self.key}: {problem['detail']}"
        assert CANARY not in response.text
        return str(problem["detail"])

    def event(self, uid: str, reason: str) -> dict[str, Any]:
        """The only Event with that reason on that Pod."""

        def found() -> list[dict[str, Any]]:
            return [
                one for one in self.events() if (one["involvedObject"]["uid"], one["reason"]) == (uid, reason)
            ]

        [event] = self.kube.wait_for(found, what=f"the Event {reason}")
        return event

    def events(self) -> list[dict[str, Any]]:
        return [
            one
            for one in self.kube.events(self.namespace, "job")
            if one["source"]["component"] == names.SIDECAR
        ]

    def _check_audit(self, result: str, reason: str) -> None:
        lines = [record for record in self.caplog.records if record.msg == "grant"]
        assert [(vars(one)["result"], vars(one)["reason"]) for one in lines] == [(result, reason)]

"""Connectors' status on the real API server, as `kubectl` shows and awaits it; registries are scripted.

The API server is one of this module's own: on that of an installation, the installed controller would lead.
"""

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clusters
import pytest
from authority import ca, server_context
from brokers import install, kubeconfig_of
from controllers import Replica
from kube import Kube
from registry import Call, Registry

from webhook import names
from webhook.connector_class import PYPI
from webhook.controller.status import condition

PASSWORD = "canary-71d4-right"
NEVER = 3600.0
FAST = 0.5
TYPES = [
    "ConnectorClassReady",
    "SecretReady",
    "CACertReady",
    "LivenessReady",
    "AuthReady",
    "ProxyServiceReady",
    "Ready",
]
CLASS = "connectorclass.connectors.alauda.io"
READER = "pypi-connector-secret-reader"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kube]:
    with clusters.api_server() as alone:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": names.BROKER}}
        alone.create(namespace)
        alone.create(account, namespace=names.NAMESPACE)
        install(alone)
        alone.run(
            "wait", "--for=condition=Established", f"crd/connectorclasses.{names.GROUP}", "--timeout=60s"
        )
        alone.create(PYPI)
        yield alone


@pytest.fixture(scope="module")
def kubeconfig(cluster: Kube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kubeconfig_of(cluster, tmp_path_factory.mktemp("broker"), names.NAMESPACE, names.BROKER)


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
        """The message."""
        self.kube.wait_for(lambda: self.said(kind, name)[:2] == (status, reason), what=f"{kind} {reason}")
        return self.said(kind, name)[2]

    def reasons(self) -> list[tuple[str, str]]:
        return [(one["type"], one["reason"]) for one in self.kube.events(self.namespace, "pypi")]


@pytest.fixture
def place(cluster: Kube) -> Iterator[Place]:
    with cluster.namespace(prefix="team") as namespace:
        yield Place(cluster, namespace)
        cluster.run("delete", "connectors.connectors.alauda.io", "--all", "-n", namespace)


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Takes one password."""
    with Registry() as found:
        found.on("*", guarded)
        yield found


def guarded(call: Call) -> None:
    right = "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
    status = 200 if call.request.header("authorization") == right else 401
    call.reply(status, b"", {"Content-Type": "text/html"})


def test_a_connector_that_works_becomes_ready(place: Place, registry: Registry, kubeconfig: Path) -> None:
    place.login()
    place.connector(registry.origin)
    with Replica(kubeconfig, "one"):
        place.wait_ready()
        status = place.get()["status"]
        assert [one["type"] for one in status["conditions"]] == TYPES
        assert {one["status"] for one in status["conditions"]} == {"True"}
        assert {one["observedGeneration"] for one in status["conditions"]} == {1}
        assert status["observedGeneration"] == 1
        assert status["proxy"]["httpAddress"]["url"].startswith("http://127.0.0.1:")
        place.kube.wait_for(lambda: ("Normal", "Ready") in place.reasons())
    printed = place.kube.run("get", "connector", "pypi", "-n", place.namespace).stdout.splitlines()[1]
    assert printed.split()[:5] == ["pypi", "pypi", registry.origin, "True", "Valid"]
    assert len(registry.requests) == 1
    assert (
        PASSWORD not in place.kube.run("get", "connector,events", "-n", place.namespace, "-o", "json").stdout
    )


def test_the_seed_tells_why_and_holds_nobody_back(place: Place, registry: Registry, kubeconfig: Path) -> None:
    """There is no way to pypi.org here, or there is one: either is told."""
    place.login()
    for number in range(3):
        place.connector("https://pypi.org", f"seed-{number}", auth=None, params=None)
    place.connector(registry.origin)
    with Registry() as hanging, Replica(kubeconfig, "one", period_seconds=FAST):
        hanging.on("*", lambda call: call.wait_gone())
        place.connector(hanging.origin, "hanging")
        place.wait_ready()
        assert place.said(name="hanging")[:2] in (("", ""), ("Unknown", "NotProbed"))
        place.kube.wait_for(lambda: place.said("LivenessReady", "seed-2")[0] in ("True", "False"))
        status, reason, message = place.said("LivenessReady", "seed-2")
        assert status == "True" or (reason == "ConnectionFailed" and message)
        assert (
            place.wait_said("LivenessReady", "False", "ConnectionFailed", "hanging")
            == "no answer within 10 s"
        )


def test_each_wrong_secret_has_its_cause(place: Place, registry: Registry, kubeconfig: Path) -> None:
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=FAST):
        message = place.wait_said("SecretReady", "False", "SecretNotFound")
        assert message.startswith('secrets "login" not found')
        assert place.said("Ready")[1] == "SecretNotFound"
        assert place.said("LivenessReady")[:2] == ("Unknown", "NotProbed")
        assert registry.requests == []
        place.secret(username="robot")
        assert "is of type Opaque" in place.wait_said("SecretReady", "False", "SecretTypeMismatch")
        place.kube.delete("secret", "login", place.namespace)
        place.login("")
        assert place.wait_said("SecretReady", "False", "SecretWithoutPassword") == (
            'secret "login" has an empty "password"'
        )
        place.login()
        place.wait_ready()
        place.kube.wait_for(lambda: ("Normal", "Ready") in place.reasons())
        assert ("Warning", "SecretNotFound") in place.reasons()


def test_a_wrong_password_is_never_hammered(place: Place, registry: Registry, kubeconfig: Path) -> None:
    place.login("canary-wrong")
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=0.1):
        assert place.wait_said("AuthReady", "False", "AuthenticationFailed") == "status code 401"
        assert place.said("LivenessReady")[0] == "True"
        version = place.get()["status"]["observedSecretVersion"]
        # another version of the Secret, with the same password
        place.kube.run("label", "secret", "login", "-n", place.namespace, "touched=yes")
        place.kube.wait_for(lambda: place.get()["status"]["observedSecretVersion"] != version)
        assert len(registry.requests) == 1
    with Replica(kubeconfig, "restarted", period_seconds=0.1) as restarted:
        place.kube.wait_for(lambda: restarted.is_leading)
        place.kube.run("label", "secret", "login", "-n", place.namespace, "touched=again", "--overwrite")
        time.sleep(1)  # ten looks
        assert len(registry.requests) <= 2
        place.login()
        place.wait_ready()
        assert len(registry.requests) <= 3


def test_connectors_that_share_an_account_do_not_lock_it(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login("canary-wrong")
    for number in range(10):
        place.connector(registry.origin, f"c-{number}")
    with Replica(kubeconfig, "one", period_seconds=0.1):
        for number in range(10):
            place.wait_said("AuthReady", "False", "AuthenticationFailed", f"c-{number}")
        assert len(registry.requests) == 1


def test_a_changed_spec_is_looked_at_at_once(place: Place, registry: Registry, kubeconfig: Path) -> None:
    place.login()
    place.connector("http://127.0.0.1:9")  # discard: nobody listens
    with Replica(kubeconfig, "one", period_seconds=NEVER):
        assert place.wait_said("LivenessReady", "False", "ConnectionFailed") == "connection refused"
        changed = time.monotonic()
        place.connector(registry.origin)
        place.wait_ready()
        assert time.monotonic() - changed < 30
        assert place.get()["status"]["observedGeneration"] == 2
        place.connector(registry.origin, connectorClassName="npm")
        place.wait_said("Ready", "False", "ConnectorClassNotFound")
        assert place.said("SecretReady")[:2] == ("Unknown", "NotChecked")


def test_a_ca_is_needed_read_and_followed(place: Place, kubeconfig: Path) -> None:
    place.login()
    with Registry(server_context()) as registry, Replica(kubeconfig, "one", period_seconds=FAST):
        registry.on("*", guarded)
        place.connector(registry.origin, params=None)
        message = place.wait_said("LivenessReady", "False", "ConnectionFailed")
        assert message.startswith("certificate verify failed: ")
        place.connector(registry.origin, params=None, caCertSecretRef={"name": "ca"})
        assert place.wait_said("CACertReady", "False", "CASecretNotFound").startswith(
            'secrets "ca" not found'
        )
        place.secret("ca", tls_crt="x")
        assert (
            place.wait_said("CACertReady", "False", "CASecretWithoutKey") == 'secret "ca" has no key "ca.crt"'
        )
        place.secret("ca", ca_crt="no PEM")
        place.wait_said("CACertReady", "False", "InvalidPEM")
        assert place.said("SecretReady")[0] == "True"
        place.secret("ca", ca_crt=ca("another"))
        place.wait_said("LivenessReady", "False", "ConnectionFailed")
        place.secret("ca", ca_crt=ca())
        place.wait_ready()


def test_secrets_out_of_reach_are_told_with_the_fix(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin)
    binding = place.kube.get("clusterrolebinding", READER)
    for field in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
        binding["metadata"].pop(field, None)
    place.kube.delete("clusterrolebinding", READER)
    try:
        with Replica(kubeconfig, "one", period_seconds=FAST):
            message = place.wait_said("SecretReady", "False", "SecretForbidden")
            assert f"bind the ClusterRole {READER}" in message
            account = f"--serviceaccount={names.NAMESPACE}:{names.BROKER}"
            place.kube.run(
                "create", "rolebinding", "reader", "-n", place.namespace, f"--clusterrole={READER}", account
            )
            place.wait_ready()
    finally:
        place.kube.create(binding)


def test_a_class_that_is_missing_is_told_and_seen_when_it_comes(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin)
    place.kube.delete(CLASS, "pypi")
    try:
        with Replica(kubeconfig, "one", period_seconds=NEVER):
            place.wait_said("ConnectorClassReady", "False", "ConnectorClassNotFound")
            place.kube.create(PYPI)
            place.wait_ready()
            place.kube.delete(CLASS, "pypi")
            place.wait_said("Ready", "False", "ConnectorClassNotFound")
    finally:
        place.kube.apply(PYPI)


def test_of_two_replicas_one_leads_and_the_other_takes_over_without_asking_anew(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=FAST) as one:
        place.kube.wait_for(lambda: one.is_leading)
        with Replica(kubeconfig, "two", period_seconds=FAST) as two:
            place.wait_ready()
            assert (one.is_leading, two.is_leading) == (True, False)
            one.stop()
            place.kube.wait_for(lambda: two.is_leading)
            lease = place.kube.get("lease", names.CONTROLLER_LEASE, names.NAMESPACE)
            assert lease["spec"]["holderIdentity"] == "two"
            assert lease["spec"]["leaseTransitions"] >= 1
            # it works: a changed Secret is seen, and what is well was not asked about twice
            assert len(registry.requests) == 1
            place.login("canary-wrong")
            place.wait_said("AuthReady", "False", "AuthenticationFailed")
            assert len(registry.requests) == 2
    assert place.kube.get("lease", names.CONTROLLER_LEASE, names.NAMESPACE)["spec"]["holderIdentity"] == ""


def test_conditions_of_others_and_times_are_kept(place: Place, registry: Registry, kubeconfig: Path) -> None:
    place.login()
    place.connector(registry.origin)
    foreign = {
        "type": "Mirrored",
        "status": "True",
        "reason": "Done",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    with Replica(kubeconfig, "one", period_seconds=FAST):
        place.wait_ready()
        before = place.get()["status"]["conditions"]
        added = [{"op": "add", "path": "/status/conditions/0", "value": foreign}]
        place.kube.patch(
            "connector", "pypi", added, place.namespace, kind_of_patch="json", subresource="status"
        )
        time.sleep(1.1)  # a second later, times would differ
        place.login("canary-wrong")
        place.wait_said("Ready", "False", "AuthenticationFailed")
    after = place.get()["status"]["conditions"]
    assert after[0] == foreign
    times = {one["type"]: one["lastTransitionTime"] for one in after}
    changed = {one["type"] for one in before if times[one["type"]] != one["lastTransitionTime"]}
    assert changed == {"AuthReady", "Ready"}


def test_a_status_that_is_true_is_not_written_again(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=0.1):
        place.wait_ready()
        before = place.get()["metadata"]["resourceVersion"]
        time.sleep(1)  # ten looks
        assert place.get()["metadata"]["resourceVersion"] == before
        assert len(registry.requests) == 1


def test_a_deleted_connector_is_forgotten_and_a_new_one_of_its_name_is_asked_about(
    place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin)
    with Replica(kubeconfig, "one", period_seconds=FAST) as one:
        place.wait_ready()
        place.kube.delete("connector", "pypi", place.namespace)
        place.kube.wait_for(lambda: (place.namespace, "pypi") not in one.controller._attended)
        place.connector(registry.origin)
        place.wait_ready()
        assert len(registry.requests) == 2

"""Connectors' status on the real API server, as `kubectl` shows it: each cause, until it is mended."""

import time
from pathlib import Path

from support.certificates.authority import ca, server_context
from support.components.controllers import Replica
from support.kubernetes.connector_places import FAST, PASSWORD, Place, guarded
from support.servers.registry import Registry
from webhook import names
from webhook.status.probe import SILENT

NEVER = 3600.0
TYPES = [
    "ConnectorClassReady",
    "SecretReady",
    "CACertReady",
    "LivenessReady",
    "AuthReady",
    "ProxyServiceReady",
    "Ready",
]
READER = "pypi-connector-secret-reader"


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
    """The tests may run with or without a way to pypi.org: the status says either."""
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
        assert place.wait_said("LivenessReady", "False", "ConnectionFailed", "hanging") == SILENT


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
        assert place.wait_said("SecretReady", "True", "SecretWithoutPassword").startswith(
            'secret "login" has no password'
        )
        place.login()
        place.wait_ready()
        place.kube.wait_for(lambda: ("Normal", "Ready") in place.reasons())
        assert ("Warning", "SecretNotFound") in place.reasons()


def test_a_changed_spec_is_looked_at_at_once(place: Place, registry: Registry, kubeconfig: Path) -> None:
    place.login()
    place.connector("http://127.0.0.1:9")  # discard: nobody listens
    with Replica(kubeconfig, "one", period_seconds=NEVER):
        assert place.wait_said("LivenessReady", "False", "ConnectionFailed") == SILENT
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


def test_secrets_out_of_reach_are_reported_with_the_fix(
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

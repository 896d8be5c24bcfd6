"""The cluster of the scenarios: that of KUBECONFIG, with the product installed as README says."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import clusters
import pytest
import scenes
from kube import Kube

from certs.authority import KeyPair, create_authority
from webhook import names

OVERLAY = Path(__file__).resolve().parents[2] / "manifests" / "overlays" / "default"


@pytest.fixture(scope="session")
def kube() -> Kube:
    """As cluster administrator. There is no Pod without a kubelet: a cluster must be given."""
    found = clusters.given()
    if found is None:
        clusters.unavailable("no node: run `make e2e`, or set KUBECONFIG to a cluster (docs/cluster.md)")
    return found


@pytest.fixture(scope="session")
def installed(kube: Kube) -> Kube:
    """The product, ready. It stays: scenarios that remove it bring it back."""
    install(kube)
    return kube


def install(kube: Kube) -> None:
    kube.run("apply", "-k", str(OVERLAY))
    for deployment in (names.BROKER, names.ADMISSION):
        kube.run(
            "rollout",
            "status",
            f"deployment/{deployment}",
            "-n",
            names.NAMESPACE,
            "--timeout=180s",
            timeout=200,
        )
    kube.wait_for(lambda: has_ca_bundle(kube), what="caBundle to be written")
    kube.wait_for(lambda: reviews(kube), what="the registration to be in effect")


def has_ca_bundle(kube: Kube) -> bool:
    found = kube.get("mutatingwebhookconfiguration", names.WEBHOOK_CONFIGURATION)
    bundle = found["webhooks"][0]["clientConfig"].get("caBundle") or ""
    return b"BEGIN CERTIFICATE" in base64.b64decode(bundle)


def reviews(kube: Kube) -> bool:
    """Whether the API server asks the webhook, and gets its answer."""
    with kube.namespace(prefix="e2e-ready") as namespace:
        said = kube.create(scenes.pod("p", "true", "nowhere"), namespace=namespace, check=False).stderr
    return "connector nowhere not found" in said


@pytest.fixture
def namespace(installed: Kube) -> Iterator[str]:
    """A fresh one for each test, of a team that uses the product."""
    with installed.namespace(prefix="team") as name:
        yield name


@pytest.fixture(scope="session")
def authority() -> KeyPair:
    """A private CA for registries."""
    return create_authority(datetime.now(UTC))


@pytest.fixture(scope="session")
def registry(installed: Kube) -> Iterator[scenes.Registry]:
    """pypiserver with a password, over http, for all scenarios that only need one."""
    with installed.namespace(prefix="registry") as name:
        yield scenes.deploy_registry(installed, name)

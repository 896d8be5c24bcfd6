"""The stage before the Pod: registry, cluster in memory, admission and broker over TLS."""

import base64
import contextlib
import secrets
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from certs.authority import KeyPair, create_authority
from certs.bundle import split_bundle
from sidecar.contract.secret import Secret
from sidecar.contract.words import TOKEN_AUDIENCE
from webhook import names
from webhook.command.yaml_files import read_yaml
from webhook.connector.manifest import MaybeConnector, class_name, find_connector
from webhook.demo import services
from webhook.demo.memory_cluster import MemoryCluster
from webhook.demo.packages import make_wheel
from webhook.errors import InputError
from webhook.identifiers import ConnectorKey
from webhook.pod.settings import Settings
from webhook.server import admission, broker
from webhook.server.reviewer import ConnectorLookup

EXAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "examples"
USERNAME = "ci-robot"
_IMAGE = f"{names.SIDECAR_IMAGE}:demo"


@dataclass(frozen=True, slots=True)
class Stage:
    folder: Path
    """Temporary; removed with the stage"""
    packages: Path
    """The packages of the registry"""
    address: str
    admission_url: str
    broker_url: str
    cluster: MemoryCluster
    authority: KeyPair
    password: Secret

    def needles(self) -> list[bytes]:
        """Texts that the workload must not reach: the password, plain and as basic auth writes it."""
        pair = f"{USERNAME}:{self.password.reveal()}".encode()
        return [self.password.reveal().encode(), base64.b64encode(pair)]

    def create_pod(self, pod: Mapping[str, Any]) -> Secret:
        """Create the reviewed Pod in the cluster. Returns the token that the kubelet would project."""
        metadata = pod["metadata"]
        self.cluster.apply({**pod, "metadata": {**metadata, "uid": str(uuid.uuid4())}})
        return self.cluster.issue_token(metadata["namespace"], metadata["name"], TOKEN_AUDIENCE)


@contextlib.contextmanager
def set_stage() -> Iterator[Stage]:
    """The block's stage; its end removes all of it. `InputError` if the programs are not installed."""
    missing = [name for name in ("pypiserver", "twine", "uv") if find_spec(name) is None]
    if missing:
        sentence = f"the demo needs {', '.join(missing)}: `make demo` in a checkout installs them"
        raise InputError.of("ProgramMissing", sentence)
    manifests = example("connector.yaml")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pypi-connector-demo-")))
        authority = create_authority(datetime.now(UTC))
        password = Secret("canary-" + secrets.token_urlsafe(24))
        packages = folder / "packages"
        packages.mkdir()
        make_wheel(packages, "hello-connector", "1.0")
        address = stack.enter_context(
            services.registry(folder / "registry", packages, authority, USERNAME, password)
        )
        cluster = MemoryCluster(_filled(manifests, address, authority, password))

        def settings(broker_url: str) -> Settings:
            bundle = split_bundle(authority.certificate)
            return Settings(_IMAGE, allowed_images=(_IMAGE,), broker_ca=bundle, broker_url=broker_url)

        broker_url = stack.enter_context(
            services.serving(
                lambda url: broker.create_app(lambda: settings(url), cluster), folder / "broker", authority
            )
        )
        admission_url = stack.enter_context(
            services.serving(
                lambda _: admission.create_app(lambda: settings(broker_url), _lookup(cluster)),
                folder / "admission",
                authority,
            )
        )
        yield Stage(folder, packages, address, admission_url, broker_url, cluster, authority, password)


def example(name: str) -> list[Any]:
    """The documents of a file in manifests/examples."""
    path = EXAMPLES / name
    if not path.exists():
        sentence = f"{path} is missing: the demo runs from a checkout of the project"
        raise InputError.of("FileUnreadable", sentence)
    return read_yaml(str(path))


def _filled(
    manifests: list[Any], address: str, authority: KeyPair, password: Secret
) -> Iterator[Mapping[str, Any]]:
    """The example's Secret and Connector, with this registry's address, credential and CA."""
    for manifest in manifests:
        if manifest["kind"] == "Secret":
            manifest["stringData"] = {"username": USERNAME, "password": password.reveal()}
        else:
            manifest["spec"]["address"] = address
            manifest["spec"]["caCertSecretRef"] = {"name": "team-pypi-ca"}
        yield manifest
    metadata = {"name": "team-pypi-ca", "namespace": manifest["metadata"]["namespace"]}
    yield {"kind": "Secret", "metadata": metadata, "stringData": {"ca.crt": authority.certificate}}


def _lookup(cluster: MemoryCluster) -> ConnectorLookup:
    async def lookup(keys: Sequence[ConnectorKey]) -> dict[ConnectorKey, MaybeConnector]:
        manifests = {key: await cluster.connector(*key) for key in keys}
        named = {class_name(manifest) for manifest in manifests.values() if manifest}
        classes = {name: await cluster.connector_class(name) for name in named}
        return {key: find_connector(manifest, classes) for key, manifest in manifests.items()}

    return lookup

"""Certificates on the real API server, with only the rights of the broker's own ServiceAccount.

The API server is one of this module's own: the product's objects have fixed names, and here they are deleted.
"""

import asyncio
import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from certs import store
from certs.authority import create_authority
from certs.bundle import split_bundle
from certs.reload import Reloader
from support.components.brokers import MANIFESTS, kubeconfig_of
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from webhook import names
from webhook.cluster import paths
from webhook.cluster.certificate_keeper import CertificateKeeper
from webhook.cluster.kubernetes import KubernetesApi, in_cluster_or_kubeconfig
from webhook.errors import Conflict, Forbidden

KIND = "mutatingwebhookconfiguration"
SECRETS = (
    names.CA_SECRET,
    names.ADMISSION_TLS_SECRET,
    names.BROKER_TLS_SECRET,
    names.GATEWAY_TLS_SECRET,
)
HOST = f"{names.BROKER}.{names.NAMESPACE}.svc"
PATIENCE_SECONDS = 60.0
WEBHOOK = str(MANIFESTS / "webhook")


@dataclass(frozen=True, slots=True)
class Place:
    """As administrator, and the broker's credentials."""

    kube: Kube
    broker: Path

    def texts(self, name: str) -> dict[str, str]:
        return store.read_texts(self.kube.get("secret", name, names.NAMESPACE))

    def ca_bundles(self) -> list[str]:
        hooks = self.kube.get(KIND, names.WEBHOOK_CONFIGURATION)["webhooks"]
        return [base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode() for hook in hooks]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with clusters.api_server() as kube:
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE}})
        account = {"name": names.BROKER, "namespace": names.NAMESPACE}
        kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        kube.run("apply", "-k", str(MANIFESTS / "rbac"))
        folder = tmp_path_factory.mktemp("broker")
        yield Place(kube, kubeconfig_of(kube, folder, names.NAMESPACE, names.BROKER))


@pytest.fixture
def place(installed: Place) -> Place:
    """Registered, and without a certificate."""
    for name in SECRETS:
        installed.kube.delete("secret", name, names.NAMESPACE)
    installed.kube.delete(KIND, names.WEBHOOK_CONFIGURATION)
    installed.kube.run("apply", "-k", WEBHOOK)
    return installed


@contextlib.asynccontextmanager
async def api_of(place: Place) -> AsyncIterator[KubernetesApi]:
    async with await in_cluster_or_kubeconfig({"KUBECONFIG": str(place.broker)}) as api:
        yield api


@contextlib.asynccontextmanager
async def kept(place: Place, directory: Path) -> AsyncIterator[CertificateKeeper]:
    """A keeper that is at work; its minute is short. It is ended between two looks: a connection that is cut
    off in mid-request lives on for a moment, and is found unclosed."""
    stop = asyncio.Event()

    async def pause(_seconds: float) -> None:
        if stop.is_set():
            raise asyncio.CancelledError
        await asyncio.sleep(0.1)

    async with api_of(place) as api:
        keeper = CertificateKeeper(api, namespace=names.NAMESPACE, directory=directory, pause=pause)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await keeper.start()
        task = asyncio.create_task(keeper.run())
        try:
            yield keeper
        finally:
            stop.set()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


def ensure(place: Place, directory: Path) -> None:
    async def once() -> None:
        async with api_of(place) as api:
            await CertificateKeeper(api, namespace=names.NAMESPACE, directory=directory).ensure()

    asyncio.run(once())


def test_five_replicas_that_start_at_once_end_with_one_authority(place: Place, tmp_path: Path) -> None:
    async def race() -> list[tuple[str, ...]]:
        async with contextlib.AsyncExitStack() as stack:
            apis = [await stack.enter_async_context(api_of(place)) for _ in range(5)]
            keepers = [
                CertificateKeeper(api, namespace=names.NAMESPACE, directory=tmp_path / str(number))
                for number, api in enumerate(apis)
            ]
            await asyncio.gather(*(keeper.ensure() for keeper in keepers))
            return [keeper.bundle for keeper in keepers]

    (bundle,) = set(asyncio.run(race()))
    assert len(bundle) == 1
    served = {(tmp_path / str(number) / store.CERTIFICATE).read_text() for number in range(5)}
    assert served == {place.texts(names.BROKER_TLS_SECRET)[store.CERTIFICATE]}
    assert {one.strip() for one in place.ca_bundles()} == {bundle[0].strip()}
    for name in SECRETS:
        assert split_bundle(place.texts(name)[store.BUNDLE]) == (bundle[0].strip(),)


@pytest.mark.parametrize("how", [[], ["--server-side"], ["--server-side", "--force-conflicts"]], ids=" ".join)
def test_applying_the_registration_again_keeps_the_bundle(
    place: Place, tmp_path: Path, how: list[str]
) -> None:
    ensure(place, tmp_path)
    before = place.kube.get(KIND, names.WEBHOOK_CONFIGURATION)
    for _ in range(2):
        place.kube.run("apply", "-k", WEBHOOK, *how)
    after = place.kube.get(KIND, names.WEBHOOK_CONFIGURATION)
    assert after["webhooks"] == before["webhooks"]
    assert split_bundle(place.ca_bundles()[0])


def test_writing_the_bundle_changes_nothing_else(place: Place, tmp_path: Path) -> None:
    """Several entries, of which one has another bundle already."""
    first = place.kube.get(KIND, names.WEBHOOK_CONFIGURATION)["webhooks"][0]
    old = base64.b64encode(create_authority(datetime.now(UTC)).certificate.encode()).decode()
    others = [
        {**first, "name": "a.example.com", "clientConfig": {**first["clientConfig"], "caBundle": old}},
        {**first, "name": "z.example.com", "timeoutSeconds": 7},
    ]
    operations = [{"op": "add", "path": "/webhooks/-", "value": other} for other in others]
    place.kube.patch(KIND, names.WEBHOOK_CONFIGURATION, operations, kind_of_patch="json")
    before = place.kube.get(KIND, names.WEBHOOK_CONFIGURATION)
    ensure(place, tmp_path)
    after = place.kube.get(KIND, names.WEBHOOK_CONFIGURATION)
    (other,) = [hook for hook in before["webhooks"] if hook["name"] == "a.example.com"]
    other["clientConfig"].pop("caBundle")
    bundle = place.texts(names.CA_SECRET)[store.BUNDLE]
    for hook in after["webhooks"]:
        assert base64.b64decode(hook["clientConfig"].pop("caBundle")).decode() == bundle
    assert after["webhooks"] == before["webhooks"]


def test_a_stale_patch_is_a_conflict(place: Place) -> None:
    """What the keeper relies on: the version in a strategic patch is a condition."""

    async def patch() -> None:
        async with api_of(place) as api:
            path = paths.webhook_configuration(names.WEBHOOK_CONFIGURATION)
            found = await api.get(path)
            assert found
            await asyncio.to_thread(place.kube.run, "label", KIND, names.WEBHOOK_CONFIGURATION, "a=b")
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            await api.patch(path, {"metadata": version, "webhooks": []}, "strategic")

    with pytest.raises(Conflict):
        asyncio.run(patch())


@pytest.mark.parametrize("name", SECRETS)
def test_a_deleted_secret_is_back_at_the_next_look(place: Place, tmp_path: Path, name: str) -> None:
    async def story() -> None:
        async with kept(place, tmp_path) as keeper:
            old = await asyncio.to_thread(place.texts, name)
            authorities = keeper.bundle
            await asyncio.to_thread(place.kube.delete, "secret", name, names.NAMESPACE)
            await until(lambda: place.kube.find("secret", name, names.NAMESPACE))
            new = await asyncio.to_thread(place.texts, name)
            assert new[store.CERTIFICATE] != old[store.CERTIFICATE]
            await until(lambda: set(authorities) <= set(keeper.bundle))

    asyncio.run(story())


def test_a_registration_that_comes_later_and_one_that_is_replaced_get_the_bundle(
    place: Place, tmp_path: Path
) -> None:
    place.kube.delete(KIND, names.WEBHOOK_CONFIGURATION)

    async def story() -> None:
        async with kept(place, tmp_path):
            for command in ("create", "replace"):
                await asyncio.to_thread(place.kube.run, command, "-k", WEBHOOK)
                await until(lambda: all(place.ca_bundles()))

    asyncio.run(story())


def test_a_running_server_serves_the_new_leaf_to_clients_with_the_old_bundle(
    place: Place, tmp_path: Path
) -> None:
    async def story() -> None:
        async with kept(place, tmp_path):
            bundle = (tmp_path / store.BUNDLE).read_text()
            with serving(tmp_path) as port:
                before = await asyncio.to_thread(served, port, bundle)
                assert before == serial(place.texts(names.BROKER_TLS_SECRET))
                await asyncio.to_thread(place.kube.delete, "secret", names.BROKER_TLS_SECRET, names.NAMESPACE)
                await until(lambda: served(port, bundle) != before)
                after = await asyncio.to_thread(served, port, bundle)
                assert after == serial(place.texts(names.BROKER_TLS_SECRET))

    asyncio.run(story())


def test_the_broker_may_write_no_other_secret(place: Place, tmp_path: Path) -> None:
    other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}}
    place.kube.apply(other, namespace=names.NAMESPACE)

    async def write() -> None:
        async with api_of(place) as api:
            path = paths.secret(names.NAMESPACE, "other")
            found = await api.get(path)
            assert found
            await api.replace(path, found)

    with pytest.raises(Forbidden):
        asyncio.run(write())


# -- a server, as the broker is


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / store.CERTIFICATE, directory / store.KEY)
    reloader = Reloader(context, directory / store.CERTIFICATE, directory / store.KEY)
    reloader.start(interval_seconds=0.05)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        reloader.stop()


def served(port: int, bundle: str) -> int:
    """The serial number of what a sidecar sees, which trusts that bundle."""
    context = ssl.create_default_context(cadata=bundle)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"").serial_number


def serial(texts: dict[str, str]) -> int:
    return x509.load_pem_x509_certificate(texts[store.CERTIFICATE].encode()).serial_number

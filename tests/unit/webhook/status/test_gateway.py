"""The Services of Connectors and their addresses, with a gateway that comes and goes."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.components.controller_stories import (
    FAST,
    Probes,
    connector,
    login,
    ready,
    run,
    running,
    store_with_class,
    until,
)
from support.kubernetes.apistore import ApiStore
from webhook import names
from webhook.cluster import paths
from webhook.status.reported import condition

GATEWAY = paths.deployment(names.NAMESPACE, names.GATEWAY)
SERVICE = paths.service("team", "c-pypi")
HOST = "pypi-connector-gateway.pypi-connector-system.svc.cluster.local"
URL = "http://c-pypi.team.svc.cluster.local"
PATH_URL = f"http://{HOST}/namespaces/team/connectors/pypi/"


@pytest.fixture
def store() -> Iterator[ApiStore]:
    with store_with_class() as made:
        login(made)
        yield made


def install(store: ApiStore, replicas: int = 2) -> None:
    metadata = {"namespace": names.NAMESPACE, "name": names.GATEWAY}
    status = {"readyReplicas": replicas} if replicas else {}
    store.put(GATEWAY, {"kind": "Deployment", "metadata": metadata, "status": status})


def put_service(store: ApiStore, **spec: Any) -> None:
    """Somebody else's."""
    metadata = {"namespace": "team", "name": "c-pypi"}
    store.put(SERVICE, {"kind": "Service", "metadata": metadata, "spec": spec})


def proxy(store: ApiStore, path: str) -> tuple[str, str, str]:
    """Address, and status and reason of `ProxyServiceReady`."""
    manifest = store.get(path)
    found = condition(manifest, "ProxyServiceReady")
    url = ((manifest.get("status") or {}).get("proxy") or {}).get("httpAddress", {}).get("url", "")
    return url, found.get("status", ""), found.get("reason", "")


def test_without_a_gateway_the_address_is_the_loopback_s_and_no_service_is_made(store: ApiStore) -> None:
    path = connector(store)

    async def story() -> None:
        async with running(store, Probes()):
            await until(lambda: ready(store, path)[0] == "True")
            url, status, reason = proxy(store, path)
            assert url.startswith("http://127.0.0.1:")
            assert (status, reason) == ("True", "Valid")
            assert SERVICE not in store.paths

    run(story())


def test_with_a_gateway_a_connector_gets_a_service_that_leads_there(store: ApiStore) -> None:
    path = connector(store)
    install(store)

    async def story() -> None:
        async with running(store, Probes()):
            await until(lambda: proxy(store, path) == (URL, "True", "Valid"))
            service = store.get(SERVICE)
            assert (service["spec"]["type"], service["spec"]["externalName"]) == ("ExternalName", HOST)
            (owner,) = service["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["uid"]) == ("Connector", store.get(path)["metadata"]["uid"])

    run(story())


def test_a_gateway_that_comes_later_and_goes_again_takes_the_services_with_it(store: ApiStore) -> None:
    path = connector(store)
    put_service(store, type="ClusterIP")
    other = connector(store, "other")

    async def story() -> None:
        async with running(store, Probes(), gateway_seconds=FAST):
            await until(lambda: ready(store, other)[0] == "True")
            install(store)
            await until(lambda: paths.service("team", "c-other") in store.paths)
            await until(lambda: proxy(store, path)[2] == "ServiceNameTaken")
            store.delete(GATEWAY)
            await until(lambda: paths.service("team", "c-other") not in store.paths)
            await until(lambda: proxy(store, other)[0].startswith("http://127.0.0.1:"))
            assert store.get(SERVICE)["spec"] == {"type": "ClusterIP"}

    run(story())


def test_services_that_an_earlier_leader_left_are_removed(store: ApiStore) -> None:
    connector(store)
    install(store)

    async def before() -> None:
        async with running(store, Probes()):
            await until(lambda: SERVICE in store.paths)

    async def after() -> None:
        async with running(store, Probes(), identity="two"):
            await until(lambda: SERVICE not in store.paths)

    run(before())
    store.delete(GATEWAY)
    run(after())


def test_a_service_of_somebody_else_is_never_touched_and_no_address_leads_to_it(store: ApiStore) -> None:
    put_service(store, type="ClusterIP", selector={"app": "evil"})
    before = store.get(SERVICE)
    path = connector(store)
    install(store)

    async def story() -> None:
        async with running(store, Probes(), period_seconds=FAST):
            await until(lambda: proxy(store, path) == (PATH_URL, "False", "ServiceNameTaken"))
            # injected Pods need no Service
            await until(lambda: ready(store, path) == ("True", "Valid"))
            assert store.get(SERVICE) == before
            store.delete(SERVICE)
            await until(lambda: proxy(store, path) == (URL, "True", "Valid"))

    run(story())


def test_a_service_that_is_led_elsewhere_is_led_back_at_once(store: ApiStore) -> None:
    path = connector(store)
    install(store)

    async def story() -> None:
        async with running(store, Probes()):  # no look of its own in this time
            await until(lambda: proxy(store, path)[0] == URL)
            changed = store.get(SERVICE)
            changed["spec"] = {"type": "ExternalName", "externalName": "evil.example"}
            store.put(SERVICE, changed)
            await until(lambda: store.get(SERVICE)["spec"].get("externalName") == HOST)
            store.delete(SERVICE)
            await until(lambda: SERVICE in store.paths)

    run(story())


def test_a_connector_that_is_made_anew_owns_its_service(store: ApiStore) -> None:
    path = connector(store)
    install(store)

    async def story() -> None:
        async with running(store, Probes(), period_seconds=FAST):
            await until(lambda: SERVICE in store.paths)
            store.delete(path)
            connector(store)
            uid = store.get(path)["metadata"]["uid"]
            await until(lambda: store.get(SERVICE)["metadata"]["ownerReferences"][0]["uid"] == uid)

    run(story())


def test_a_gateway_without_a_ready_replica_is_said_to_be_so(store: ApiStore) -> None:
    path = connector(store)
    install(store, replicas=0)

    async def story() -> None:
        async with running(store, Probes(), gateway_seconds=FAST):
            await until(lambda: proxy(store, path) == (URL, "False", "GatewayNotReady"))
            await until(lambda: ready(store, path)[0] == "True")
            install(store)
            await until(lambda: proxy(store, path) == (URL, "True", "Valid"))

    run(story())


def test_a_name_that_no_service_can_have_is_served_by_its_path(store: ApiStore) -> None:
    path = connector(store, "team.pypi")
    install(store)

    async def story() -> None:
        async with running(store, Probes()):
            url = f"http://{HOST}/namespaces/team/connectors/team.pypi/"
            await until(lambda: proxy(store, path) == (url, "True", "Valid"))

    run(story())


def test_a_refusal_of_the_api_server_is_told_and_leaves_the_path(store: ApiStore) -> None:
    """A quota of Services, or a missing right."""
    path = connector(store)
    install(store)
    store.refuses = lambda method, path: 403 if (method, path) == ("POST", paths.services("team")) else None

    async def story() -> None:
        async with running(store, Probes()):
            await until(lambda: proxy(store, path) == (PATH_URL, "False", "ServiceRefused"))
            assert "scripted" in condition(store.get(path), "ProxyServiceReady")["message"]
            await until(lambda: ready(store, path)[0] == "True")

    run(story())

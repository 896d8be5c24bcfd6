"""If a registry cannot be reached, the sidecar asks for a new grant: the address may be corrected by now."""

from collections.abc import Iterator

import pytest

from sidecar.contract.words import Code
from support.certificates.authority import ca
from support.machine.ports import closed_port
from support.servers.registry import Registry
from support.sidecars.forms import FORM
from support.sidecars.running import grant
from support.sidecars.virtual_proxies import VirtualProxy, virtual_proxy

PAGE, WHEEL = "/simple/foo/", "/files/foo-1.0-py3-none-any.whl"


def nobody_listens() -> str:
    return f"https://127.0.0.1:{closed_port()}"


WRONG = {
    "nobody listens": {"index_url": f"{nobody_listens()}/simple/", "upload_url": f"{nobody_listens()}/"},
    "the name does not exist": {
        "index_url": "https://registry.invalid/simple/",
        "upload_url": "https://registry.invalid/",
    },
    "the certificate is of another authority": {"ca": None},
}


@pytest.fixture(params=WRONG.values(), ids=WRONG.keys())
def proxy(registry: Registry, request: pytest.FixtureRequest) -> Iterator[VirtualProxy]:
    """Its Connector has a wrong address, or a wrong CA."""
    registry.on("*", lambda call: call.reply(200, b"<a>", {"Content-Type": "text/html"}))
    with virtual_proxy(registry, **request.param) as found:
        yield found


def correct(proxy: VirtualProxy, registry: Registry) -> None:
    endless = {"soft_seconds": 1e9, "hard_seconds": 1e9}
    proxy.grants.append(grant(registry, version="v2", **endless))


def test_the_request_that_failed_is_served_where_the_connector_was_corrected(
    registry: Registry, proxy: VirtualProxy
) -> None:
    assert proxy.get(PAGE).status == 502
    correct(proxy, registry)
    proxy.clock.now += 15
    assert (proxy.get(PAGE).status, proxy.get(WHEEL).status) == (200, 200)
    assert proxy.asked == [(None, None), *[("v1", Code.REGISTRY_UNREACHABLE)] * 2]


def test_a_running_pod_is_served_again_within_fifteen_seconds(
    registry: Registry, proxy: VirtualProxy
) -> None:
    assert proxy.get(PAGE).status == 502
    assert proxy.asked == [(None, None), ("v1", Code.REGISTRY_UNREACHABLE)]
    correct(proxy, registry)
    corrected = proxy.clock.now
    while proxy.get(PAGE).status != 200:
        proxy.clock.now += 1
    assert proxy.clock.now - corrected <= 15
    assert len(proxy.asked) == 3


def test_an_upload_of_which_nothing_was_sent_goes_to_the_corrected_address(
    registry: Registry, proxy: VirtualProxy
) -> None:
    assert proxy.post("/").status == 502
    correct(proxy, registry)
    proxy.clock.now += 15
    assert proxy.post("/").status == 200
    (upload,) = registry.seen("/upload/")
    assert upload.body_size == len(FORM)


def test_the_broker_is_asked_every_fifteen_seconds_at_most(proxy: VirtualProxy) -> None:
    for _ in range(61):
        assert proxy.get(PAGE).status == 502
        proxy.clock.now += 1
    assert proxy.asked[1:] == [("v1", Code.REGISTRY_UNREACHABLE)] * 5


def test_a_registry_that_is_merely_away_is_502_with_its_cause(proxy: VirtualProxy) -> None:
    for _ in range(3):
        reply = proxy.get(PAGE)
        assert reply.status == 502
        assert "spec.address" in reply.reason or "caCertSecretRef" in reply.reason


def test_storage_that_cannot_be_reached_is_no_wrong_address(registry: Registry) -> None:
    origin = nobody_listens()
    registry.on(WHEEL, lambda call: call.reply(302, b"", {"Location": f"{origin}/blob"}))
    with virtual_proxy(registry, file_origins=(origin,), ca=ca()) as proxy:
        assert proxy.get(WHEEL).status == 502
        assert proxy.asked == [(None, None)]

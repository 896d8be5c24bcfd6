"""The sidecar distinguishes a broker that it cannot verify from a broker that it cannot reach.

After removal and installation, the product has a new authority, which older Pods do not trust.
"""

import ssl
from pathlib import Path

import pytest

from sidecar.contract.words import Code
from support.certificates.authority import server_context
from support.machine.ports import closed_port
from support.servers.registry import Registry
from support.sidecars.grant_servers import Broker
from support.sidecars.running import Sidecar, grant, sidecar_of_broker

WHEEL = "/files/foo-1.0-py3-none-any.whl"


def request_line(sidecar: Sidecar) -> dict[str, object]:
    return sidecar.wait_line(message="request")


def test_an_authority_that_the_pod_was_not_given_is_named_with_the_way_out(
    registry: Registry, tmp_path: Path
) -> None:
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        broker._tls = server_context(signer="of the installation after")
        reply = sidecar.get(WHEEL)
        assert reply.status == 503, "an administrator may bring the authority back"
        assert int(reply.header("retry-after") or 0) > 0
        assert "the product was installed anew since this Pod began" in reply.reason
        assert "something else answers in its place" in reply.reason
        assert "delete the Pod and create it anew" in reply.reason
        assert request_line(sidecar)["reason"] == Code.BROKER_UNTRUSTED
        assert "delete the Pod" in str(request_line(sidecar)["detail"])
        assert broker.requests == [], "no token for who could not prove to be the broker"


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        (server_context(is_expired=True), "certificate has expired"),
        (server_context(("elsewhere.example",)), "mismatch"),
    ],
    ids=["expired", "another host's"],
)
def test_another_fault_of_the_certificate_is_no_new_installation(
    registry: Registry, tmp_path: Path, context: ssl.SSLContext, cause: str
) -> None:
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        broker._tls = context
        reply = sidecar.get(WHEEL)
        assert reply.status == 503
        assert cause in reply.reason
        assert "installed anew" not in reply.reason
        assert request_line(sidecar)["reason"] == Code.BROKER_UNTRUSTED


def test_a_broker_that_is_away_is_no_new_installation(registry: Registry, tmp_path: Path) -> None:
    nowhere = f"https://127.0.0.1:{closed_port()}"
    with (
        Broker(grant(registry)) as broker,
        sidecar_of_broker(tmp_path, broker, broker_url=nowhere) as sidecar,
    ):
        reply = sidecar.get(WHEEL)
        assert "installed anew" not in reply.reason
        assert request_line(sidecar)["reason"] == "broker-unreachable"


def test_a_grant_in_hand_serves_on_after_a_new_installation(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    with (
        Broker(grant(registry, soft_seconds=0)) as broker,
        sidecar_of_broker(tmp_path, broker) as sidecar,
    ):
        assert sidecar.get(WHEEL).status == 200
        broker._tls = server_context(signer="of the installation after")
        assert [sidecar.get(WHEEL).status for _ in range(3)] == [200] * 3


def test_a_pod_from_before_is_served_once_the_authority_is_back(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        own, broker._tls = broker._tls, server_context(signer="of the installation after")
        assert sidecar.get(WHEEL).status == 503
        broker._tls = own
        assert sidecar.get(WHEEL).status == 200

"""The sidecar always verifies the registry's TLS, and the sentence names the fault."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.certificates.authority import ca, server_context
from support.servers.registry import Registry
from support.sidecars.grant_servers import Broker
from support.sidecars.running import Sidecar, grant, running_sidecar, sidecar_of_broker

WHEEL = "/files/foo-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("context", "trusted", "cause"),
    [
        (server_context(signer="theirs"), ca(), "unable to get local issuer certificate"),
        (server_context(), None, "unable to get local issuer certificate"),
        (server_context(is_expired=True), ca(), "certificate has expired"),
        (server_context(("other.example",)), ca(), "IP address mismatch"),
        (server_context(), "no PEM", "the CA bundle is not usable"),
    ],
    ids=["another authority", "the system's authorities", "expired", "another host", "no bundle"],
)
def test_a_certificate_that_does_not_hold_is_502_with_its_cause(
    tmp_path: Path, context: ssl.SSLContext, trusted: str | None, cause: str
) -> None:
    with Registry(context) as registry, running_sidecar(tmp_path, grant(registry, ca=trusted)) as sidecar:
        for reply in (
            sidecar.get(WHEEL),
            sidecar.get("/simple/foo/"),
            sidecar.upload(b"hello"),
        ):
            assert reply.status == 502
            assert cause in reply.reason
            assert cause in reply.body.decode()
        sidecar.wait_line(message="request", status=502, reason="registry-unreachable")
        assert registry.requests == []


def test_the_same_certificates_hold_where_they_should(tmp_path: Path) -> None:
    with Registry(server_context(signer="theirs")) as registry:
        registry.on(WHEEL, lambda call: call.reply(200, b"x"))
        with running_sidecar(tmp_path, grant(registry, ca=ca() + ca("theirs"))) as sidecar:
            assert sidecar.get(WHEEL).status == 200


def test_a_connection_is_not_shared_between_grants_of_another_trust(tmp_path: Path) -> None:
    """A Connector whose CA was corrected must not live on old connections."""
    with Registry(server_context()) as registry:
        registry.on(WHEEL, lambda call: call.reply(200, b"x"))
        answers = (
            grant(registry, soft_seconds=0),
            grant(registry, soft_seconds=0, version="v2", ca=ca("theirs")),
        )
        with Broker(*answers) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
            assert sidecar.get(WHEEL).status == 200
            assert sidecar.get(WHEEL).status == 502


def test_a_connection_that_the_systems_authorities_vouch_for_is_not_the_registrys(
    registry: Registry, tmp_path: Path
) -> None:
    """Storage may have a public certificate; the registry has one of the Connector's own authority."""
    public = tmp_path / "public.pem"
    public.write_text(ca("theirs"))
    with Registry(server_context(signer="theirs")) as storage:
        storage.on(WHEEL, lambda call: call.reply(200, b"x"))
        registry.on(WHEEL, lambda call: call.reply(302, b"", {"Location": storage.origin + WHEEL}))
        answers = (
            grant(registry, soft_seconds=0, file_origins=(storage.origin,)),
            grant(storage, soft_seconds=0, version="v2"),
        )
        with (
            Broker(*answers) as broker,
            sidecar_of_broker(tmp_path, broker, variables={"SSL_CERT_FILE": str(public)}) as sidecar,
        ):
            assert sidecar.get(WHEEL).status == 200
            assert sidecar.get(WHEEL).status == 502


@contextmanager
def running_with_storage(folder: Path, registry: Registry, storage: Registry) -> Iterator[Sidecar]:
    """The Connector declares it, has `ours` for its CA, and the system trusts `theirs`."""
    public = folder / "public.pem"
    public.write_text(ca("theirs"))
    registry.on("*", lambda call: call.reply(302, b"", {"Location": storage.origin + call.request.target}))
    with (
        Broker(grant(registry, file_origins=(storage.origin,))) as broker,
        sidecar_of_broker(folder, broker, variables={"SSL_CERT_FILE": str(public)}) as sidecar,
    ):
        yield sidecar


def ways_to(storage: Registry) -> tuple[str, ...]:
    """Redirects of a file and of a page, and a link."""
    return (WHEEL, "/simple/foo/", f"/_o/{urlsplit(storage.origin).netloc}{WHEEL}")


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        (server_context(is_expired=True), "certificate has expired"),
        (server_context(signer="theirs", is_expired=True), "certificate has expired"),
        (server_context(("other.example",)), "IP address mismatch"),
        (server_context(("other.example",), signer="theirs"), "IP address mismatch"),
        (server_context(signer="nobody's"), "unable to get local issuer certificate"),
    ],
    ids=["expired", "public and expired", "another host", "public, of another host", "another authority"],
)
def test_storage_whose_certificate_does_not_hold_is_502_with_its_cause(
    registry: Registry, tmp_path: Path, context: ssl.SSLContext, cause: str
) -> None:
    with Registry(context) as storage, running_with_storage(tmp_path, registry, storage) as sidecar:
        for path in ways_to(storage):
            reply = sidecar.get(path)
            assert reply.status == 502
            assert cause in reply.reason
            assert storage.origin in reply.reason
        assert storage.requests == []


@pytest.mark.parametrize("signer", ["ours", "theirs"])
def test_storage_whose_certificate_holds_is_read(registry: Registry, tmp_path: Path, signer: str) -> None:
    """The Connector's authority may vouch for it, and the system's may."""
    with (
        Registry(server_context(signer=signer)) as storage,
        running_with_storage(tmp_path, registry, storage) as sidecar,
    ):
        storage.on("*", lambda call: call.reply(200, b"stored"))
        assert [sidecar.get(path).body for path in ways_to(storage)] == [b"stored"] * 3


def test_tls_below_1_2_is_not_spoken(tmp_path: Path) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with Registry(old) as registry, running_sidecar(tmp_path, grant(registry)) as sidecar:
        reply = sidecar.get(WHEEL)
        assert reply.status == 502
        assert "cannot speak TLS" in reply.reason


def test_a_registry_that_speaks_no_tls_is_502_with_its_cause(tmp_path: Path) -> None:
    with Registry() as plain:
        https = grant(plain, index_url=plain.origin.replace("http", "https") + "/simple/")
        with running_sidecar(tmp_path, https) as sidecar:
            reply = sidecar.get(WHEEL)
            assert reply.status == 502
            assert "cannot speak TLS" in reply.reason


def test_an_empty_ca_bundle_of_the_grant_trusts_nobody_new(registry: Registry, tmp_path: Path) -> None:
    """Empty is the system's authorities, as None is: never no verification."""
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))
    with running_sidecar(tmp_path, grant(registry, ca="")) as sidecar:
        reply = sidecar.get(WHEEL)
    assert reply.status == 502
    assert registry.requests == []

"""A certificate is replaced under a running server, which takes usable pairs and leaves broken pairs."""

import logging
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certs import store
from certs.authority import BACKDATE, create_authority
from certs.errors import UnusablePair
from certs.reload import Reloader
from support.certificates.tls_servers import HOSTS, NOW, connected, parse, peer_serial, server, serving


@pytest.mark.parametrize("name", ["127.0.0.1", HOSTS[0]], ids=["no server name sent", "server name sent"])
def test_new_connections_see_the_new_certificate_and_open_ones_survive(tmp_path: Path, name: str) -> None:
    authority = create_authority(NOW)
    first, second = serving(authority), serving(authority)
    with server(first, tmp_path) as (context, port):
        reloader = Reloader(context, tmp_path / "tls.crt", tmp_path / "tls.key")
        with connected(port, first.bundle, name) as old:
            store.write_files(tmp_path, second)
            assert reloader.reload()
            assert not reloader.reload()
            assert peer_serial(port, first.bundle, name) == parse(second).serial_number
            old.sendall(b"still here")
            assert old.recv(100) == b"still here"


def test_a_certificate_of_another_key_type_replaces_the_old_certificate(tmp_path: Path) -> None:
    """An OpenSSL context has a certificate for each key type: the old context would serve both."""
    first = serving()
    with server(first, tmp_path) as (context, port):
        reloader = Reloader(context, tmp_path / "tls.crt", tmp_path / "tls.key")
        key = rsa.generate_private_key(65537, 2048)
        subject = parse(first).subject
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), 77, NOW - BACKDATE, NOW + BACKDATE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (tmp_path / "tls.crt").write_bytes(pem)
        encoding = (
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (tmp_path / "tls.key").write_bytes(key.private_bytes(*encoding))
        assert reloader.reload()
        served = ssl.get_server_certificate(("127.0.0.1", port))
        assert x509.load_pem_x509_certificate(served.encode()).serial_number == 77


BROKEN = {
    "half written": lambda files: (files.certificate[:200], files.key),
    "empty": lambda files: ("", ""),
    "of two pairs": lambda files: (files.certificate, create_authority(NOW).key),
    "with a passphrase": lambda files: (files.certificate, encrypted_key()),
}


def encrypted_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    ).decode()


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_pair_replaces_nothing_and_is_logged_once(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = serving()
    with server(files, tmp_path) as (context, port):
        reloader = Reloader(context, tmp_path / "tls.crt", tmp_path / "tls.key")
        certificate, key = BROKEN[kind](serving())
        (tmp_path / "tls.crt").write_text(certificate)
        (tmp_path / "tls.key").write_text(key)
        with caplog.at_level(logging.INFO):
            assert not reloader.reload()
            assert not reloader.reload()
        assert [record.message for record in caplog.records] == ["certificate kept"]
        assert peer_serial(port, files.bundle) == parse(files).serial_number


def test_a_file_that_goes_and_returns_is_no_more_than_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = serving()
    with server(files, tmp_path) as (context, _):
        reloader = Reloader(context, tmp_path / "tls.crt", tmp_path / "tls.key")
        (tmp_path / "tls.key").unlink()
        assert not reloader.reload()
        assert "tls.key cannot be read: No such file" in caplog.records[0].error
        store.write_files(tmp_path, serving())
        assert reloader.reload()


def test_the_first_pair_must_serve(tmp_path: Path) -> None:
    with pytest.raises(UnusablePair, match="cannot be read"):
        Reloader(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tmp_path / "tls.crt", tmp_path / "tls.key")


def test_the_watcher_sees_a_change_and_stops_at_once(tmp_path: Path) -> None:
    authority = create_authority(NOW)
    files, new = serving(authority), serving(authority)
    with server(files, tmp_path) as (context, port):
        reloader = Reloader(context, tmp_path / "tls.crt", tmp_path / "tls.key")
        reloader.start(interval_seconds=0.01)
        store.write_files(tmp_path, new)
        served = (peer_serial(port, files.bundle) for _ in range(1000))
        assert any(serial == parse(new).serial_number for serial in served)
        reloader.stop()
        names = {thread.name for thread in threading.enumerate()}
        assert "certificate-reload" not in names
        with Reloader(context, tmp_path / "tls.crt", tmp_path / "tls.key"):
            pass

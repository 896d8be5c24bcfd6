"""Certificates: their extensions, their stores, and the command that makes them."""

import base64
import shutil
import stat
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from certs import store
from certs.__main__ import main
from certs.authority import (
    BACKDATE,
    KeyPair,
    create_authority,
    issue_leaf,
    load_pair,
)
from certs.bundle import join_bundle, split_bundle
from certs.errors import InvalidName, UnusablePair
from certs.hosts import service_hosts
from support.certificates.tls_servers import HOSTS, NOW, parse, peer_serial, server, serving

# -- issuing


def test_openssl_accepts_the_chain_by_its_strict_rules(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    store.write_files(tmp_path, serving())
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver"]
    verify += ["-verify_hostname", "pypi-connector-broker.pypi-connector-system.svc"]
    verify += ["-CAfile", str(tmp_path / "ca.crt"), str(tmp_path / "tls.crt")]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_extensions_follow_rfc_5280() -> None:
    authority = create_authority(NOW)
    root, leaf = parse(authority), parse(issue_leaf(authority, HOSTS, NOW))

    def extension(certificate: x509.Certificate, kind: Any) -> Any:
        return certificate.extensions.get_extension_for_class(kind)

    assert extension(root, x509.BasicConstraints).critical
    assert extension(root, x509.BasicConstraints).value == x509.BasicConstraints(ca=True, path_length=0)
    assert extension(root, x509.KeyUsage).critical
    assert extension(root, x509.KeyUsage).value.key_cert_sign
    assert not extension(leaf, x509.KeyUsage).value.key_cert_sign
    assert not extension(leaf, x509.BasicConstraints).value.ca
    assert [usage.dotted_string for usage in extension(leaf, x509.ExtendedKeyUsage).value] == [
        "1.3.6.1.5.5.7.3.1"
    ]
    assert (
        extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier
        == extension(root, x509.SubjectKeyIdentifier).value.digest
    )
    names = extension(leaf, x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == HOSTS[:4]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_a_clock_that_is_an_hour_behind_accepts_a_new_certificate() -> None:
    authority = create_authority(NOW)
    later = NOW + timedelta(days=30)
    for certificate, issued in [
        (parse(authority), NOW),
        (parse(issue_leaf(authority, HOSTS, NOW)), NOW),
        (parse(issue_leaf(authority, HOSTS, later)), later),
    ]:
        assert certificate.not_valid_before_utc == issued - BACKDATE


def test_a_leaf_never_outlives_its_authority() -> None:
    authority = create_authority(NOW)
    near_the_end = NOW + timedelta(days=3640)
    leaf = parse(issue_leaf(authority, HOSTS, near_the_end))
    assert leaf.not_valid_after_utc == parse(authority).not_valid_after_utc
    with pytest.raises(UnusablePair, match="create a new one"):
        issue_leaf(authority, HOSTS, NOW + timedelta(days=3651))


@pytest.mark.parametrize("host", ["", "UPPER.example", "a_b", "-a", "a.", "http://a", "*.example", "a" * 64])
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(InvalidName, match="neither a DNS name"):
        issue_leaf(create_authority(NOW), [host], NOW)


def test_a_long_service_name_fits() -> None:
    hosts = list(service_hosts("s" * 63, "n" * 63))
    assert (
        parse(issue_leaf(create_authority(NOW), hosts, NOW)).subject.rfc4514_string() == "CN=pypi-connector"
    )


def test_a_bundle_holds_each_authority_once_and_verifies_leaves_of_each(tmp_path: Path) -> None:
    old, new = create_authority(NOW), create_authority(NOW)
    bundle = join_bundle([old.certificate, "some text\n" + new.certificate, old.certificate])
    assert split_bundle(bundle) == (old.certificate.strip(), new.certificate.strip())
    for authority in (old, new):
        with server(serving(authority), tmp_path) as (_, port):
            assert peer_serial(port, bundle) > 0


def test_a_key_is_not_printed_by_accident() -> None:
    pair = create_authority(NOW)
    secret_line = pair.key.splitlines()[1]
    assert secret_line in pair.key
    assert secret_line not in f"{pair!r} {pair} {serving()!r}"


# -- storing


def test_a_secret_manifest_and_files_return_the_stored_certificate(tmp_path: Path) -> None:
    files = serving()
    manifest = store.to_secret(files, name="broker-tls", namespace="n")
    assert manifest["type"] == "kubernetes.io/tls"
    assert store.from_secret(yaml.safe_load(yaml.safe_dump(manifest))) == files
    store.write_files(tmp_path / "new", files)
    assert store.read_files(tmp_path / "new") == files
    assert stat.S_IMODE((tmp_path / "new" / "tls.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["ca.crt", "tls.crt", "tls.key"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "tls.key"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        store.replace_file(path, "new \N{SNOWMAN}", mode=0o600)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"type": "Opaque"}, "is not of type kubernetes.io/tls"),
        ({"data": {}}, "has no key 'ca.crt'"),
        ({"tls.key": None}, "tls.key is not base64"),
        ({"tls.crt": "%%%"}, "tls.crt is not base64"),
        ({"tls.crt": encode("text")}, "the certificate is not PEM"),
        ({"tls.key": encode("text")}, "the private key is not PEM"),
        ({"tls.key": encode(create_authority(NOW).key)}, "not the certificate's"),
        ({"ca.crt": encode("text")}, "ca.crt holds no certificate"),
    ],
)
def test_a_secret_that_cannot_serve_is_refused_with_a_sentence(change: dict[str, Any], sentence: str) -> None:
    manifest = store.to_secret(serving(), name="s", namespace="n")
    for key, value in change.items():
        (manifest["data"] if key in manifest["data"] else manifest)[key] = value
    with pytest.raises(UnusablePair, match=sentence) as caught:
        store.from_secret(manifest)
    assert caught.value.__cause__ is None


def test_a_key_of_another_kind_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(UnusablePair, match="elliptic"):
        load_pair(KeyPair(create_authority(NOW).certificate, pem.decode()))


# -- the command line


def test_the_bootstrap_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--host", "127.0.0.1"]) == 0
    with server(store.read_files(tmp_path), tmp_path) as (_, port):
        assert peer_serial(port, (tmp_path / "ca.crt").read_text())
    assert str(tmp_path) in capsys.readouterr().out


def test_the_bootstrap_prints_a_secret_of_a_stored_authority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--secret", "tls", "--service", "svc", "--namespace", "ns", "--authority", str(tmp_path)]
    bundles = set()
    for _ in range(2):
        assert main(arguments) == 0
        files = store.from_secret(yaml.safe_load(capsys.readouterr().out))
        names = parse(files).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        expected = ["svc", "svc.ns", "svc.ns.svc", "svc.ns.svc.cluster.local"]
        assert names.get_values_for_type(x509.DNSName) == expected
        bundles.add(files.bundle)
    assert bundles == {(tmp_path / "ca.crt").read_text()}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "one of the arguments --out --secret is required"),
        (["--secret", "s"], "name what the certificate is for"),
        (["--secret", "S", "--service", "svc"], "'S' is not a DNS label"),
        (["--secret", "s", "--host", "a_b"], "'a_b' is neither a DNS name"),
        (["--secret", "s", "--host", "a", "--days", "0"], "from 1 to 3650, not '0'"),
        (["--out", "/dev/null/x", "--host", "a"], "/dev/null/x cannot be written"),
    ],
)
def test_bad_input_ends_with_2_and_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err

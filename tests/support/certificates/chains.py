"""A chain of three: root, intermediate, leaf. The server sends the last two, as web servers do."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certs.authority import KeyPair, load_pair, to_pem
from support.certificates.authority import HOSTS
from support.certificates.plain_authority import create_plain_authority, issue_plain_leaf

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Chain:
    """Each is PEM."""

    root: str
    expired_root: str
    """Of the same name and key as `root`"""
    intermediate: str
    leaf: str
    context: ssl.SSLContext
    """Of a server that sends leaf and intermediate"""


def make_chain(hosts: Sequence[str] = HOSTS) -> Chain:
    now = datetime.now(UTC)
    root = create_plain_authority(now)
    intermediate = _sign_intermediate(root, now)
    leaf = issue_plain_leaf(intermediate, hosts, now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "chain.pem"
        file.write_text(leaf.certificate + intermediate.certificate + leaf.key)
        context.load_cert_chain(file)
    return Chain(root.certificate, _expired(root, now), intermediate.certificate, leaf.certificate, context)


def _sign_intermediate(root: KeyPair, now: datetime) -> KeyPair:
    issuer, issuer_key = load_pair(root)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Company Intermediate")])
    certificate = _sign(subject, issuer.subject, key.public_key(), issuer_key, now - _DAY, now + 30 * _DAY)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(to_pem(certificate), private.decode())


def _expired(root: KeyPair, now: datetime) -> str:
    issuer, key = load_pair(root)
    return to_pem(_sign(issuer.subject, issuer.subject, key.public_key(), key, now - 9 * _DAY, now - _DAY))


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    start: datetime,
    end: datetime,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )

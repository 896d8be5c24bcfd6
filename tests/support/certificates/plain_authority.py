"""A private CA like those of many companies: made by hand, without the extensions that RFC 5280 recommends.

No key usage, no key identifiers, no critical constraints: curl, Go and Python before 3.13 take its
certificates, and Python 3.13's strict verification does not.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certs.authority import KeyPair

_LIFE = timedelta(days=30)
_BACKDATE = timedelta(hours=1)


def create_plain_authority(now: datetime) -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("Example Company Root")
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    builder = _builder(subject, subject, key, now).add_extension(constraints, critical=False)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def issue_plain_leaf(authority: KeyPair, hosts: Sequence[str], now: datetime) -> KeyPair:
    """Has the signature of `certs.authority.issue_leaf`."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    builder = _builder(_name(hosts[0]), issuer.subject, key, now).add_extension(names, critical=False)
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _LIFE)
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )

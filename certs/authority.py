"""The certificate authority and the leaves that it issues (RFC 5280), all with ECDSA P-256.

Nothing here reads a clock or a file: the caller passes the time. Every TLS stack of the last decade verifies
P-256. A P-256 key takes a millisecond; an RSA key would take a second of a small Pod's start.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import InvalidName, UnsupportedKey, UnusablePair
from certs.hosts import is_host

BACKDATE = timedelta(hours=1)
"""A node whose clock is behind must not refuse a new certificate. Public authorities take an hour too: it
covers a virtual machine that was just resumed and a wrong time zone. It costs a leaf of 90 days nothing."""

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=90)

_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""The parser's errors for text that is no certificate, or an unusual certificate"""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServingFiles:
    """A TLS server's certificate and key, and the bundle that its clients verify them with. All are PEM."""

    bundle: str
    """Every trusted authority, the current first; a successor joins the bundle years before it signs"""
    certificate: str
    key: str = field(repr=False)


def create_authority(now: datetime, *, life: timedelta = AUTHORITY_LIFE) -> KeyPair:
    """A self-signed CA. Its subject holds its serial number, so that a successor is never mistaken for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    subject = _subject(f"pypi-connector CA {serial:x}"[:64])
    certificate = (
        _builder(key, subject, subject, serial, now - BACKDATE, now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate, key)


def issue_leaf(
    authority: KeyPair, hosts: Sequence[str], now: datetime, *, life: timedelta = LEAF_LIFE
) -> KeyPair:
    """A server certificate for `hosts` (DNS names, IP addresses), within the authority's own life."""
    issuer, issuer_key = load_pair(authority)
    if not issuer.not_valid_before_utc <= now < issuer.not_valid_after_utc:
        raise UnusablePair(f"the authority is not valid at {now:%Y-%m-%d %H:%M} UTC: create a new one")
    names = _alternative_names(hosts)
    key = ec.generate_private_key(ec.SECP256R1())
    start = max(now - BACKDATE, issuer.not_valid_before_utc)
    end = min(now + life, issuer.not_valid_after_utc)
    issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(key, _subject("pypi-connector"), issuer.subject, x509.random_serial_number(), start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return _pem(certificate, key)


def load_pair(pair: KeyPair | ServingFiles) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Parse a pair, or raise `UnusablePair`. No cause is chained: its text may quote the input."""
    certificate = load_certificate(pair.certificate)
    key = load_key(pair.key)
    if key.public_key() != certificate.public_key():
        raise UnusablePair("the private key is not the certificate's")
    return certificate, key


def load_certificate(text: str) -> x509.Certificate:
    """The first certificate of a PEM text, or `UnusablePair` if any of its fields cannot be read."""
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        _ = certificate.public_key(), certificate.extensions  # the library parses both lazily
    except _UNREADABLE:
        raise UnusablePair("the certificate is not PEM") from None
    return certificate


def load_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The private key of a PEM text, or `UnusablePair`; `UnsupportedKey` for a key of another kind."""
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (*_UNREADABLE, TypeError):
        raise UnusablePair("the private key is not PEM without a passphrase") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UnsupportedKey("the private key is not an elliptic curve key")
    return key


def to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _builder(
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    issuer: x509.Name,
    serial: int,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(identifier, critical=False)
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    if not hosts:
        raise InvalidName("a certificate needs at least one host")
    return x509.SubjectAlternativeName([_general_name(host) for host in dict.fromkeys(hosts)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not is_host(host):
        raise InvalidName(f"{host!r} is neither a DNS name in lower case (RFC 1123) nor an IP address")
    return x509.DNSName(host)


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(
        to_pem(certificate),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )

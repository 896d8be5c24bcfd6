"""Two Secrets, an authority's and a leaf's, through many years; and a client's verification."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs import store
from certs.authority import KeyPair
from certs.hosts import service_hosts
from certs.rotate import Leaf, renew
from certs.succession import Succession, succeed

BEGIN = datetime(2027, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)

HOSTS = service_hosts("pypi-connector-broker", "pypi-connector-system")

Texts = dict[str, str]


def verify(leaf: str, bundle: str, now: datetime, host: str = HOSTS[2]) -> None:
    """Verifies by the rules of a TLS client, with a verifier that the product's code does not use."""
    authorities = x509.load_pem_x509_certificates(bundle.encode())
    verifier = PolicyBuilder().store(Store(authorities)).time(now).build_server_verifier(x509.DNSName(host))
    verifier.verify(x509.load_pem_x509_certificate(leaf.encode()), [])


def verifies(leaf: str, bundle: str, now: datetime) -> bool:
    try:
        verify(leaf, bundle, now)
    except VerificationError:
        return False
    return True


@dataclass
class Cluster:
    """The two Secrets, as a replica leaves them after each look."""

    authority: Texts = field(default_factory=dict)
    leaf: Texts = field(default_factory=dict)

    def look(self, now: datetime) -> tuple[Succession, Leaf]:
        wanted = succeed(self.authority, now, [self.leaf.get(store.BUNDLE, "")])
        self.authority = wanted.texts()
        leaf = renew(self.leaf or None, wanted, HOSTS, now)
        self.leaf = store.texts_of(leaf.files)
        return wanted, leaf

    @classmethod
    def of_age(cls, age: timedelta) -> "Cluster":
        """A cluster that was looked at every few weeks."""
        cluster = cls()
        for now in days(age, step=20 * DAY):
            cluster.look(now)
        return cluster


def days(length: timedelta, step: timedelta = DAY, begin: datetime = BEGIN) -> Iterator[datetime]:
    for number in itertools.count():
        if number * step > length:
            return
        yield begin + number * step


def aged(years: float) -> Cluster:
    """A cluster of this age, made once because that takes a second."""
    kept = _aged(years)
    return Cluster(dict(kept.authority), dict(kept.leaf))


@functools.cache
def _aged(years: float) -> Cluster:
    return Cluster.of_age(years * YEAR)


def pair_texts(pair: KeyPair) -> Texts:
    return {store.CERTIFICATE: pair.certificate, store.KEY: pair.key}


def sign_bare(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, authority: KeyPair, *, ca: bool | None
) -> KeyPair:
    """A certificate without extensions, but for the one that marks an authority."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    builder = x509.CertificateBuilder(
        issuer.subject, issuer.subject, key.public_key(), 7, BEGIN - DAY, BEGIN + YEAR
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    certificate = builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(certificate.decode(), pem.decode())

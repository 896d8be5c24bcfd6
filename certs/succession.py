"""The authorities there should be, from those that are kept and the time. Pure.

What happens to an authority follows from its own two dates (ten years) and from nothing else, so replicas
that look at the same Secret at the same time want the same:

    made        half its life        90 days before its end    end                  5 years later
    it signs    a successor is       the successor signs;      in no bundle that    forgotten
                made, and joins      both are in all bundles   is handed out
                all bundles

The successor signs as late as can be, because of Pods that live long. Each was injected with the bundle of
its day; a sidecar that is granted something learns newer authorities, but one that is restarted knows its
Pod's bundle alone. So it reaches the broker until its Pod is at least four years and nine months old. Ninety
days are the life of a leaf: until then each has its whole life.

The past is kept five years beyond its end, to be recognized and not to be trusted: the broker refuses a Pod
whose bundle holds a certificate that is none of ours, and a Pod may be injected a minute before that end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs import store
from certs.authority import (
    AUTHORITY_LIFE,
    BACKDATE,
    LEAF_LIFE,
    KeyPair,
    create_authority,
    load_certificate,
    load_key,
    to_pem,
)
from certs.bundle import join_bundle, split_bundle
from certs.errors import ClockBehind, UnsupportedKey, UnusablePair

NEXT_CERTIFICATE = "next.crt"
NEXT_KEY = "next.key"
KEYS = (store.BUNDLE, store.CERTIFICATE, store.KEY, NEXT_CERTIFICATE, NEXT_KEY)
"""What is ours in the authority's Secret: `tls.*` signs, `next.*` will, `ca.crt` holds every one ever."""

ANNOUNCED_AFTER = timedelta(hours=1)
"""A successor is handed out once every replica of the broker has read it, which each does about every minute:
one that has not would refuse a Pod that was injected with it."""

SETTLED_AFTER = LEAF_LIFE / 3
"""So long a new authority waits, while a leaf of an earlier one can still serve: running sidecars learn of it
with their next grant. Longer brings nothing: no leaf is ever older, at its renewal, by more than a third."""

RESERVE = LEAF_LIFE / 9
"""So long before an end the wait is over: for a cluster that is switched off over a holiday."""

REMEMBERED_FOR = AUTHORITY_LIFE / 2
MOST_AUTHORITIES = 20
"""In the normal course there are four at most. A Secret whose keys somebody deletes again and again must not
grow what is injected into every Pod without end; 20 are 14 KiB."""


@dataclass(frozen=True, slots=True)
class Succession:
    """Who signs, who will, and whom to believe."""

    current: KeyPair
    successor: KeyPair | None
    known: tuple[str, ...]
    """PEM certificates of every authority, present, future and past: what a Pod's bundle is judged by"""
    trusted: tuple[str, ...]
    """PEM certificates to verify leaves with, the current one first: what is handed out"""
    settled: datetime
    """From then on nobody is left who should learn of `current` first"""
    notes: tuple[str, ...] = ()
    """What was done and why, in sentences; empty if all was well"""

    @property
    def bundle(self) -> str:
        return join_bundle(self.trusted)

    def texts(self) -> dict[str, str]:
        """What the authority's Secret holds, of `KEYS`."""
        texts = {
            store.BUNDLE: join_bundle(self.known),
            store.CERTIFICATE: self.current.certificate,
            store.KEY: self.current.key,
        }
        if self.successor:
            texts |= {NEXT_CERTIFICATE: self.successor.certificate, NEXT_KEY: self.successor.key}
        return texts


def succeed(kept: Mapping[str, str], now: datetime, remembered: Iterable[str] = ()) -> Succession:
    """What there should be.

    `kept`: the texts of the authority's Secret, empty if there is none. `remembered`: the bundles that the
    leaves' Secrets hold. They are believed as well, so that an authority that was deleted or overwritten, and
    that Pods were injected with, is not forgotten. To be rid of one, stop the broker and delete all three.
    `UnsupportedKey`, `ClockBehind`: a human has to look.
    """
    notes: list[str] = []
    known = _read_bundle(kept.get(store.BUNDLE, ""), notes)
    for bundle in remembered:
        known += _read_bundle(bundle, [])
    for name in (store.CERTIFICATE, NEXT_CERTIFICATE):  # without their keys they still are to be believed
        known += _read_bundle(kept.get(name, ""), [])
    current = _read_signer(kept, store.CERTIFICATE, store.KEY, known, notes) if kept else None
    successor = _read_signer(kept, NEXT_CERTIFICATE, NEXT_KEY, known, notes) if NEXT_KEY in kept else None
    current, successor = _choose(current, successor, now, notes)
    return _decided(current, successor, known, now, notes)


@dataclass(frozen=True, slots=True)
class _Signer:
    certificate: x509.Certificate
    pair: KeyPair = field(repr=False)

    @property
    def made(self) -> datetime:
        return self.certificate.not_valid_before_utc + BACKDATE

    @property
    def end(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def half(self) -> datetime:
        return self.made + (self.end - self.made) / 2

    @property
    def serial(self) -> str:
        return f"{self.certificate.serial_number:x}"


def _choose(
    current: _Signer | None, successor: _Signer | None, now: datetime, notes: list[str]
) -> tuple[_Signer, _Signer | None]:
    for one in (current, successor if current is None else None):
        if one and now < one.certificate.not_valid_before_utc:
            raise ClockBehind(
                f"it is {now:%Y-%m-%d %H:%M} UTC here, before the authority was made at "
                f"{one.made:%Y-%m-%d %H:%M}: set this node's clock, or delete the Secret to begin anew"
            )
    if current and now >= current.end:
        notes.append(f"authority {current.serial} has ended")
        current = None
    if successor and (now >= successor.end or (current and successor.end <= current.end)):
        successor = None
    if not current and successor:
        notes.append(f"authority {successor.serial} succeeds before its time")
        current, successor = successor, None
    if not current:
        current = _make(now)
        notes.append(f"authority {current.serial} was made")
    if not successor and now >= current.half:
        successor = _make(now)
        notes.append(f"authority {successor.serial} was made, to succeed {current.serial}")
    if successor and _is_time(current, successor, now):
        notes.append(f"authority {successor.serial} succeeds {current.serial}")
        return successor, None
    return current, successor


def _is_time(current: _Signer, successor: _Signer, now: datetime) -> bool:
    is_settled = now >= successor.made + SETTLED_AFTER
    return now >= current.end - (LEAF_LIFE if is_settled else RESERVE)


def _make(now: datetime) -> _Signer:
    pair = create_authority(now)
    return _Signer(load_certificate(pair.certificate), pair)


def _decided(
    current: _Signer,
    successor: _Signer | None,
    known: Iterable[x509.Certificate],
    now: datetime,
    notes: list[str],
) -> Succession:
    first = [one.certificate for one in (current, successor) if one]
    past = {one for one in known if now < one.not_valid_after_utc + REMEMBERED_FOR} - set(first)
    every = first + sorted(past, key=lambda one: (one.not_valid_before_utc, one.serial_number), reverse=True)
    every = every[:MOST_AUTHORITIES]
    hidden = {successor.certificate} if successor and now < successor.made + ANNOUNCED_AFTER else set()
    trusted = [one for one in every if now < one.not_valid_after_utc and one not in hidden]
    return Succession(
        current=current.pair,
        successor=successor.pair if successor else None,
        known=tuple(to_pem(one) for one in every),
        trusted=tuple(to_pem(one) for one in trusted),
        settled=current.made + SETTLED_AFTER,
        notes=tuple(notes),
    )


def _read_bundle(text: str, notes: list[str]) -> list[x509.Certificate]:
    """The authorities among its certificates; one faulty block would make a TLS library refuse all."""
    found = []
    for block in split_bundle(text):
        try:
            certificate = load_certificate(block)
        except UnusablePair:
            notes.append(f"a certificate of {store.BUNDLE} cannot be read, and was left out")
            continue
        if _is_authority(certificate):
            found.append(certificate)
        else:
            serial = f"{certificate.serial_number:x}"
            notes.append(f"certificate {serial} of {store.BUNDLE} is no authority's, and was left out")
    return found


def _read_signer(
    kept: Mapping[str, str],
    certificate_name: str,
    key_name: str,
    known: Iterable[x509.Certificate],
    notes: list[str],
) -> _Signer | None:
    """The pair, if the key is usable and its certificate is to be found anywhere."""
    try:
        key = load_key(kept.get(key_name, ""))
        certificate = _certificate_of(key, kept.get(certificate_name, ""), known)
    except UnsupportedKey as error:
        way_out = "it is not thrown away: put one there, or delete the Secret to begin anew"
        raise UnsupportedKey(f"{key_name}: {error}, and {way_out}") from None
    except UnusablePair as error:
        notes.append(f"{key_name}: {error}")
        return None
    return _Signer(certificate, KeyPair(to_pem(certificate), kept[key_name]))


def _certificate_of(
    key: ec.EllipticCurvePrivateKey, text: str, known: Iterable[x509.Certificate]
) -> x509.Certificate:
    own = _read_bundle(text, [])
    for certificate in [*own, *known]:
        if certificate.public_key() == key.public_key():
            return certificate
    raise UnusablePair("no certificate of an authority belongs to this private key")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return constraints.value.ca

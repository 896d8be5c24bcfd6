"""Decides which authorities sign and which are trusted, from the stored authorities and the time. Pure.

An authority's own two dates (ten years) alone decide what happens to it. So replicas that look at the same
Secret at the same time come to the same decision:

    made        half its life        90 days before its end    end                  5 years later
    it signs    a successor is       the successor signs;      in no bundle that    forgotten
                made, and joins      both are in all bundles   is handed out
                all bundles

The successor signs as late as possible, because some Pods live long. Each Pod was injected with the bundle of
its day. A sidecar learns newer authorities with each grant, but a restarted sidecar knows its Pod's bundle
alone. So it reaches the broker until its Pod is at least four years and nine months old. Ninety days are the
life of a leaf: until then each leaf has its whole life.

A past authority is remembered for five years beyond its end, to be recognized, not to be trusted. The broker
refuses a Pod whose bundle holds a foreign certificate, and a Pod may be injected a minute before that end.
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
"""Our keys in the authority's Secret: `tls.*` signs, `next.*` will sign, `ca.crt` holds every authority."""

ANNOUNCED_AFTER = timedelta(hours=1)
"""A successor joins the bundles once every replica of the broker has read it; each replica reads about every
minute. A replica that does not know it would refuse a Pod that was injected with it."""

SETTLED_AFTER = LEAF_LIFE / 3
"""A new authority waits this long before it signs, while a leaf of an earlier authority can still serve.
Meanwhile running sidecars learn of it with their next grant. A longer wait has no use: at its renewal, a
third of a leaf's life is left."""

RESERVE = LEAF_LIFE / 9
"""Stop waiting this long before expiry: a cluster may be switched off over a holiday."""

REMEMBERED_FOR = AUTHORITY_LIFE / 2
AUTHORITIES_LIMIT = 20
"""Normally there are four at most. If somebody deletes a Secret's keys again and again, the bundle of every
Pod must not grow without end. Twenty authorities are 14 KiB."""


@dataclass(frozen=True, slots=True)
class Succession:
    """The authority that signs, the next one, and all that are known or trusted."""

    current: KeyPair
    successor: KeyPair | None
    known: tuple[str, ...]
    """PEM certificates of every authority, present, future and past: a Pod's bundle is judged by them"""
    trusted: tuple[str, ...]
    """PEM certificates that verify leaves, the current first: sidecars get them"""
    settled: datetime
    """From then on every running sidecar knows `current`"""
    notes: tuple[str, ...] = ()
    """Sentences for the log: each change, and its cause; empty if nothing happened"""

    @property
    def bundle(self) -> str:
        return join_bundle(self.trusted)

    def texts(self) -> dict[str, str]:
        """The authority's Secret: texts by `KEYS`."""
        texts = {
            store.BUNDLE: join_bundle(self.known),
            store.CERTIFICATE: self.current.certificate,
            store.KEY: self.current.key,
        }
        if self.successor:
            texts |= {NEXT_CERTIFICATE: self.successor.certificate, NEXT_KEY: self.successor.key}
        return texts


def succeed(stored: Mapping[str, str], now: datetime, remembered: Iterable[str] = ()) -> Succession:
    """The authorities as they should be now.

    `stored` holds the texts of the authority's Secret; it is empty if there is no Secret. `remembered` are
    the bundles of the leaves' Secrets. Their authorities are trusted as well: one of them may have been
    deleted or overwritten in the authority's Secret, while Pods were injected with it. To remove an
    authority, stop the broker and delete all three Secrets. `UnsupportedKey` and `ClockBehind` need a person.
    """
    notes: list[str] = []
    known = _read_bundle(stored.get(store.BUNDLE, ""), notes)
    for bundle in remembered:
        known += _read_bundle(bundle, [])
    for name in (store.CERTIFICATE, NEXT_CERTIFICATE):  # trusted even where the private key is gone
        known += _read_bundle(stored.get(name, ""), [])
    current = _read_signer(stored, store.CERTIFICATE, store.KEY, known, notes) if stored else None
    successor = _read_signer(stored, NEXT_CERTIFICATE, NEXT_KEY, known, notes) if NEXT_KEY in stored else None
    current, successor = _choose(current, successor, now, notes)
    return _compose(current, successor, known, now, notes)


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
    first = current or successor
    if first and now < first.certificate.not_valid_before_utc:
        raise ClockBehind(
            f"it is {now:%Y-%m-%d %H:%M} UTC here, before the authority was made at "
            f"{first.made:%Y-%m-%d %H:%M}: set this node's clock, or delete the Secret to begin anew"
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


def _compose(
    current: _Signer,
    successor: _Signer | None,
    known: Iterable[x509.Certificate],
    now: datetime,
    notes: list[str],
) -> Succession:
    """The current authority and its successor come first, then the others, the newest first."""
    first = [signer.certificate for signer in (current, successor) if signer]
    others = {authority for authority in known if now < authority.not_valid_after_utc + REMEMBERED_FOR}
    authorities = first + sorted(others - set(first), key=_age_key, reverse=True)
    authorities = authorities[:AUTHORITIES_LIMIT]
    hidden = {successor.certificate} if successor and now < successor.made + ANNOUNCED_AFTER else set()
    valid = [authority for authority in authorities if now < authority.not_valid_after_utc]
    trusted = [authority for authority in valid if authority not in hidden]
    return Succession(
        current=current.pair,
        successor=successor.pair if successor else None,
        known=tuple(map(to_pem, authorities)),
        trusted=tuple(map(to_pem, trusted)),
        settled=current.made + SETTLED_AFTER,
        notes=tuple(notes),
    )


def _age_key(certificate: x509.Certificate) -> tuple[datetime, int]:
    return certificate.not_valid_before_utc, certificate.serial_number


def _read_bundle(text: str, notes: list[str]) -> list[x509.Certificate]:
    """The authorities of a bundle, without faulty blocks: a TLS library would refuse all for one fault."""
    authorities = []
    for block in split_bundle(text):
        try:
            certificate = load_certificate(block)
        except UnusablePair:
            notes.append(f"a certificate of {store.BUNDLE} cannot be read, and was left out")
            continue
        if _is_authority(certificate):
            authorities.append(certificate)
        else:
            serial = f"{certificate.serial_number:x}"
            notes.append(f"certificate {serial} of {store.BUNDLE} is no authority's, and was left out")
    return authorities


def _read_signer(
    stored: Mapping[str, str],
    certificate_name: str,
    key_name: str,
    known: Iterable[x509.Certificate],
    notes: list[str],
) -> _Signer | None:
    """The pair, if the key is usable and any known certificate belongs to it."""
    try:
        key = load_key(stored.get(key_name, ""))
        certificate = _certificate_of(key, stored.get(certificate_name, ""), known)
    except UnsupportedKey as error:
        way_out = "it is not thrown away: put one there, or delete the Secret to begin anew"
        raise UnsupportedKey(f"{key_name}: {error}, and {way_out}") from None
    except UnusablePair as error:
        notes.append(f"{key_name}: {error}")
        return None
    return _Signer(certificate, KeyPair(to_pem(certificate), stored[key_name]))


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

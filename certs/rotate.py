"""Decides whether a leaf serves on or is renewed, from its authorities and the time. Pure.

A leaf lives 90 days and is renewed after about 60. That leaves a month to repair whatever prevents a renewal.
A leaf of an earlier authority serves on while the bundles hold that authority and some sidecars may not know
the new authority yet (`Succession.settled`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certs import store
from certs.authority import KeyPair, ServingFiles, issue_leaf, load_certificate, load_pair
from certs.errors import UnusablePair
from certs.succession import RESERVE, Succession

_SPREAD = 0.05
"""Share of a leaf's life, four days: clusters that one pipeline installed do not renew in the same minute.
The moment follows from the random serial number, so that replicas agree on it without a word."""


@dataclass(frozen=True, slots=True)
class Leaf:
    files: ServingFiles
    why: str
    """Why it was issued, as the end of a sentence; empty if the stored leaf serves on"""


def renew(
    stored: Mapping[str, str] | None, succession: Succession, hosts: Sequence[str], now: datetime
) -> Leaf:
    """`stored` holds the texts of the leaf's Secret; None if there is no Secret."""
    why = _why(stored, succession, hosts, now)
    if stored is None or why:
        pair = issue_leaf(succession.current, hosts, now)
    else:
        pair = KeyPair(stored[store.CERTIFICATE], stored[store.KEY])
    return Leaf(ServingFiles(succession.bundle, pair.certificate, pair.key), why)


def renewal(leaf: x509.Certificate, succession: Succession, *, is_of_current: bool) -> datetime:
    """When a valid leaf is due to be replaced."""
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    if is_of_current:
        spread = leaf.serial_number % 1000 / 1000 * _SPREAD
        return leaf.not_valid_before_utc + life * (2 / 3 - spread)
    return min(succession.settled, leaf.not_valid_after_utc - RESERVE)


def _why(
    stored: Mapping[str, str] | None, succession: Succession, hosts: Iterable[str], now: datetime
) -> str:
    """Why the stored leaf cannot serve on; empty if it can."""
    if stored is None:
        return "there is none"
    missing = [key for key in (store.CERTIFICATE, store.KEY) if key not in stored]
    if missing:
        return f"{' and '.join(missing)} cannot be read"
    try:
        leaf, _ = load_pair(KeyPair(stored[store.CERTIFICATE], stored[store.KEY]))
    except UnusablePair as error:
        return str(error)
    signer = _signer(leaf, succession)
    if signer is None:
        return "no authority that is trusted signed it"
    if _hosts(leaf) != set(hosts):
        return "it is for other hosts"
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        return "it is not valid now"
    is_of_current = signer == succession.current.certificate
    if now >= renewal(leaf, succession, is_of_current=is_of_current):
        return "its time has come" if is_of_current else "its authority has been succeeded"
    return ""


def _signer(leaf: x509.Certificate, succession: Succession) -> str | None:
    """The trusted authority that signed the leaf, as PEM."""
    for text in succession.trusted:
        try:
            leaf.verify_directly_issued_by(load_certificate(text))
        except (ValueError, TypeError, InvalidSignature):
            continue
        return text
    return None


def _hosts(leaf: x509.Certificate) -> set[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}

"""The leaf there should be, from the one that is kept, its authorities and the time. Pure.

A leaf lives 90 days and is renewed after about 60: a month is left in which somebody can mend what keeps it
from being renewed. One that an earlier authority signed serves on while that one is in the bundles and the
new one may be news to somebody (`Succession.settled`).
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
"""Of a leaf's life, four days: clusters that were installed by one pipeline do not renew in one minute. Taken
from the serial number, which is random, so that replicas agree on the moment without a word."""


@dataclass(frozen=True, slots=True)
class Leaf:
    files: ServingFiles
    why: str
    """Why it was issued anew, a sentence's end; empty if the kept one serves on"""


def renew(
    kept: Mapping[str, str] | None, succession: Succession, hosts: Sequence[str], now: datetime
) -> Leaf:
    """`kept`: the texts of the leaf's Secret, None if there is none."""
    why = _why(kept, succession, hosts, now)
    if kept is None or why:
        pair = issue_leaf(succession.current, hosts, now)
    else:
        pair = KeyPair(kept[store.CERTIFICATE], kept[store.KEY])
    return Leaf(ServingFiles(succession.bundle, pair.certificate, pair.key), why)


def renewal(leaf: x509.Certificate, succession: Succession, *, is_of_current: bool) -> datetime:
    """When a leaf that is in order is to be replaced."""
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    if is_of_current:
        spread = leaf.serial_number % 1000 / 1000 * _SPREAD
        return leaf.not_valid_before_utc + life * (2 / 3 - spread)
    return min(succession.settled, leaf.not_valid_after_utc - RESERVE)


def _why(kept: Mapping[str, str] | None, succession: Succession, hosts: Iterable[str], now: datetime) -> str:
    if kept is None:
        return "there is none"
    missing = [key for key in (store.CERTIFICATE, store.KEY) if key not in kept]
    if missing:
        return f"{' and '.join(missing)} cannot be read"
    try:
        leaf, _ = load_pair(KeyPair(kept[store.CERTIFICATE], kept[store.KEY]))
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
    return {*names.get_values_for_type(x509.DNSName), *(str(one) for one in addresses)}

"""Split and join PEM bundles of certificates. Pure, and without `cryptography`."""

import re
from collections.abc import Iterable

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def join_bundle(bundles: Iterable[str]) -> str:
    """Join bundles into a single PEM bundle, with each certificate once, in order."""
    blocks = dict.fromkeys(block for bundle in bundles for block in split_bundle(bundle))
    return "".join(block + "\n" for block in blocks)


def split_bundle(bundle: str) -> tuple[str, ...]:
    """The PEM certificates of a bundle, without the text between them."""
    return tuple(_PEM.findall(bundle))

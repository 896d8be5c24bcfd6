"""Split, join and read PEM bundles of certificates. Pure, and without `cryptography`."""

import re
from collections.abc import Iterable

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_FOREIGN_PEM = re.compile(
    r"-----BEGIN (?:X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END (?:X509 )?CERTIFICATE-----"
)
_LINE = re.compile(".{1,64}")
_LABEL = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")


def join_bundle(bundles: Iterable[str]) -> str:
    """Join bundles into a single PEM bundle, with each certificate once, in order."""
    blocks = dict.fromkeys(block for bundle in bundles for block in split_bundle(bundle))
    return "".join(block + "\n" for block in blocks)


def split_bundle(bundle: str) -> tuple[str, ...]:
    """The PEM certificates of a bundle, without the text between them."""
    return tuple(_PEM.findall(bundle))


def read_bundle(octets: bytes) -> str:
    """The certificates of a file that people wrote, each once, in one spelling. Empty if it has none.

    Text around the blocks is read past in any encoding, as openssl and curl do: PEM itself is ASCII (RFC 7468
    §2). UTF-16, which PowerShell writes, is ASCII with a zero in each character. Further labels that openssl
    knows are not certificates to trust: a `TRUSTED CERTIFICATE` may say that it is to be distrusted.
    """
    text = octets.replace(b"\0", b"").decode("latin-1")
    bodies = dict.fromkeys("".join(body.split()) for body in _FOREIGN_PEM.findall(text))
    return "".join(
        "\n".join(("-----BEGIN CERTIFICATE-----", *_LINE.findall(body), "-----END CERTIFICATE-----", ""))
        for body in bodies
    )


def labels(octets: bytes) -> tuple[str, ...]:
    """The kinds of PEM blocks in a file, such as `PRIVATE KEY`: at most 5, each once."""
    kinds = _LABEL.findall(octets.replace(b"\0", b"").decode("latin-1"))
    return tuple(dict.fromkeys(kinds))[:5]

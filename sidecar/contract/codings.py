"""Content codings: the names of those that change a body (RFC 9110 §8.4). Pure."""

from collections.abc import Iterable

CODINGS = frozenset(  # the registry of RFC 9110 §16.6.1 without `identity`, and others that are in use
    {
        b"aes128gcm",
        b"br",
        b"bzip2",
        b"compress",
        b"dcb",
        b"dcz",
        b"deflate",
        b"exi",
        b"gzip",
        b"lz4",
        b"lzma",
        b"pack200-gzip",
        b"snappy",
        b"x-bzip2",
        b"x-compress",
        b"x-gzip",
        b"xz",
        b"zstd",
    }
)
GZIP = ([b"gzip"], [b"x-gzip"])
"""The codings of a page that the sidecar asks for and decodes"""


def applied(values: Iterable[bytes]) -> list[bytes]:
    """The codings that the values of `Content-Encoding` name, in the order applied, in lower case.

    A token that names no coding changes no byte, and is left out: storage replays `aws-chunked` of an upload,
    others say `none` or `utf-8`. pip and uv take such a body as it is.
    """
    tokens = (token.strip().lower() for value in values for token in value.split(b","))
    return [token for token in tokens if token in CODINGS]

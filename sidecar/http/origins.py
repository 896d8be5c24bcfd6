"""Origins: scheme, host and port, the unit of trust (RFC 6454). Pure."""

from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    scheme: str
    host: str
    """Lower case, in ASCII; an IPv6 address without its brackets"""
    port: int

    @property
    def netloc(self) -> str:
        """As in a URL or a Host header, without the default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def origin_of(url: str | SplitResult) -> Origin:
    """The origin of an http or https URL. Raises ValueError for any other text."""
    parts = urlsplit(url) if isinstance(url, str) else url
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("no http or https URL with a host")
    host = parts.hostname
    if not host.isascii():
        # RFC 3490, as clients do before they ask the DNS; surrogates are bytes of a page that nobody decoded
        host = host.encode("utf-8", "surrogateescape").decode().encode("idna").decode()
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    return Origin(parts.scheme, host, port)


def target_of(url: str) -> str:
    """Path and query as they stand on a request line."""
    parts = urlsplit(url)
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")

"""Origins: scheme, host and port, the unit of trust (RFC 6454). Pure."""

from collections.abc import Sequence
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


def declared_as(origin: Origin, declared: Sequence[Origin]) -> Origin:
    """The declared origin that a registry means by this origin; else the origin itself.

    A registry behind TLS termination believes that it is reached by http, and writes its own address so. That
    address stands for the declared one: it is asked over TLS. If https://r and https://s:8443 are declared:

        http://r, http://r:80, http://r:443    mean https://r
        http://s:8443                          means https://s:8443
        https://r.                             means https://r: RFC 1034 §3.1 ends a full name with a dot
        http://s, http://r:8080, https://r:80  mean themselves

    An origin that is declared by itself means itself, even if it is http. The first is the registry's own:
    no declaration leads away from its TLS.
    """
    if _means(origin, declared[0]):
        return declared[0]
    if origin in declared:
        return origin
    return next((known for known in declared if _means(origin, known)), origin)


def _means(origin: Origin, known: Origin) -> bool:
    is_port = origin.port == known.port
    if origin.scheme != known.scheme:
        is_port = known.scheme == "https" and (is_port or (origin.port, known.port) == (80, 443))
    return is_port and canonical_host(origin.host) == canonical_host(known.host)


def canonical_host(host: str) -> str:
    """One spelling of a host in lower case: without the dot of a full name; an IPv6 address shortened."""
    if ":" not in host:
        return host.removesuffix(".")
    from ipaddress import ip_address  # few registries have no name

    try:
        return str(ip_address(host))
    except ValueError:
        return host

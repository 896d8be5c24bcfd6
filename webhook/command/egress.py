"""The environment's variables for an HTTP proxy, which is not used on the way to a registry. Pure."""

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from sidecar.contract.origins import canonical_host

_PORTS = {"http": 80, "https": 443}


def unused_proxy(environment: Mapping[str, str], url: str) -> str | None:
    """The sentence about the variable that pip and uv would use for this URL; None: there is none.

    Precedence is curl's: the scheme's own variable, then `ALL_PROXY`, in lower case first.
    """
    address = urlsplit(url)
    names = (f"{address.scheme}_proxy", f"{address.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    name = next((name for name in names if environment.get(name)), None)
    exceptions = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if name is None or any(_covers(entry.strip().lower(), address) for entry in exceptions.split(",")):
        return None
    return (
        f"{name} is set here and is not used: there is no setting for an egress proxy yet, and the registry "
        "is asked directly, as in a Pod"
    )


def _covers(entry: str, address: SplitResult) -> bool:
    """Whether an entry of NO_PROXY exempts this address: `company.test` does so with all below it.

    An entry may have a port. An IPv6 address has brackets in a URL, and often none in NO_PROXY.
    """
    if entry == "*":
        return True
    try:
        exempt = _parse_entry(entry)
        port = exempt.port
    except ValueError:
        return False
    if port is not None and port != (address.port or _PORTS.get(address.scheme)):
        return False
    domain = canonical_host((exempt.hostname or "").lstrip("."))
    host = canonical_host(address.hostname or "")
    return bool(domain) and (host == domain or (":" not in host and host.endswith(f".{domain}")))


def _parse_entry(entry: str) -> SplitResult:
    is_bare_ipv6 = entry.count(":") > 1 and not entry.startswith("[")
    return urlsplit(f"//[{entry}]" if is_bare_ipv6 else f"//{entry}")

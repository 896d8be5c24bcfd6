"""The environment's variables for an HTTP proxy, which is not used on the way to a registry. Pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def unused_proxy(environment: Mapping[str, str], url: str) -> str | None:
    """The sentence about the variable that pip and uv would use for this URL; None: there is none.

    Precedence is curl's: the scheme's own variable, then `ALL_PROXY`, in lower case first.
    """
    address = urlsplit(url)
    names = (f"{address.scheme}_proxy", f"{address.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    name = next((name for name in names if environment.get(name)), None)
    exceptions = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if name is None or any(_covers(entry.strip().lower(), address.netloc) for entry in exceptions.split(",")):
        return None
    return (
        f"{name} is set here and is not used: there is no setting for an egress proxy yet, and the registry "
        "is asked directly, as in a Pod"
    )


def _covers(entry: str, netloc: str) -> bool:
    """Whether an entry of NO_PROXY exempts this host: `company.test` does so with all below it."""
    host = netloc.lower().partition(":")[0]
    domain = entry.lstrip(".")
    if not domain:
        return False
    return domain == "*" or f".{host}".endswith(f".{domain}") or netloc.lower() == domain

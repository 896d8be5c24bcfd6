"""`pypi-connector check`: one look at the registry, told as the conditions that a cluster would show."""

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

from webhook.clients.endpoints import index_url
from webhook.clients.ports import default_port
from webhook.connector.conditions import Condition, Observed, Probe, conditions
from webhook.connector.manifest import Connector
from webhook.connector.packages import describe
from webhook.connector.registry import RegistryAccess
from webhook.console import Console, Style
from webhook.status.probe import probe

_STYLES: dict[str, Style] = {"True": "green", "False": "red", "Unknown": "yellow"}

_FIXES = {
    "refused": "the registry refuses the credential: correct user name and password in the Secret",
    "certificate": "its certificate is not trusted: put its CA into a Secret (key ca.crt) and name it in "
    "spec.caCertSecretRef",
    "unreachable": "nothing answers there: check spec.address, and that this machine may reach it",
    "unexpected": "it answers, but not as an index: check spec.address and the parameter indexPath, or "
    "name a package that it has in the parameter probePackage",
}


def check(registry: RegistryAccess, console: Console) -> bool:
    """Print the conditions and, where one is False, the fix. Whether the Connector is Ready."""
    connector = registry.connector
    # on a laptop, a registry on the loopback interface is its user's own
    result = asyncio.run(probe(registry, is_loopback_allowed=True))
    seen = replace(result, detail=result.cause or result.detail)  # its user sees that network anyway
    found = conditions(
        Observed(
            problems=(),
            has_secret=registry.credential is not None,
            has_ca=registry.ca is not None,
            probe=seen,
            proxy_url=index_url(default_port(connector.key)),
        )
    )
    address = _shown(connector)
    console.line(f"Connector {connector.key}: {address}", "bold")
    for one in found:
        _print(one, console)
    if connector.packages:
        console.line(f"  {describe(connector.packages)}")
    if seen.outcome != "ok":
        console.line(f"{address}: {_fix(seen)}")
    return found[-1].status == "True"


def _shown(connector: Connector) -> str:
    """Without another credential the path may be one (Cloudsmith), and a CI system keeps what it is shown."""
    if connector.secret_name is not None:
        return connector.index_url
    url = urlsplit(connector.index_url)
    return f"{url.scheme}://{url.netloc}/…"


def _print(one: Condition, console: Console) -> None:
    status = (f"{one.status:8}", (_STYLES[one.status],))
    console.spans((f"  {one.type:20}", ()), status, (f"{one.reason:22}{one.message}", ()))


def _fix(seen: Probe) -> str:
    is_certificate = seen.outcome == "unreachable" and "certificate" in seen.detail
    return _FIXES["certificate" if is_certificate else seen.outcome]

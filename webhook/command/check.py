"""`pypi-connector check`: asks the registry, and prints the conditions that a cluster would show."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from webhook.clients.endpoints import index_url
from webhook.clients.ports import default_port
from webhook.command.egress import unused_proxy
from webhook.connector.conditions import Condition, Observed, Probe, conditions
from webhook.connector.manifest import Connector
from webhook.connector.packages import describe
from webhook.connector.proxy_address import ProxyAddress
from webhook.connector.registry import RegistryAccess
from webhook.console import Console, Style
from webhook.pod.class_files import class_faults
from webhook.status.probe import probe

_STYLES: dict[str, Style] = {"True": "green", "False": "red", "Unknown": "yellow"}

_FIXES = {
    "refused": "the registry refuses the credential: correct user name and password in the Secret",
    "certificate": "its certificate is not trusted: put its CA into a Secret (key ca.crt) and name it in "
    "spec.caCertSecretRef",
    "unreachable": "nothing answers there: check spec.address, and that this machine may reach it",
    "foreign": "it answers, but not as a package index: check spec.address and the parameter indexPath; the "
    "registry's documents name the URL that pip uses",
    "unservable": "it answers, but the proxy cannot serve it to Pods: the message says what to change",
    "unexpected": "it answers, but not as an index: check spec.address and the parameter indexPath, or "
    "name a package that it has in the parameter probePackage",
}


def check(
    registry: RegistryAccess, environment: Mapping[str, str], console: Console, description: str = ""
) -> bool:
    """Print the conditions, and a fix if the registry does not serve. Returns whether it is Ready."""
    connector = registry.connector
    # on a laptop, a registry on the loopback interface belongs to the user
    answer = asyncio.run(probe(registry, is_loopback_allowed=True))
    result = replace(answer, detail=answer.cause or answer.detail)  # the user sees that network anyway
    results = conditions(
        Observed(
            problems=(),
            has_secret=registry.credential is not None,
            has_ca=registry.ca is not None,
            probe=result,
            proxy=ProxyAddress(index_url(default_port(connector.key))),
            secret_warning=registry.warning,
            class_name=connector.connector_class.name,
        )
    )
    address = _shown(connector)
    console.line(f"Connector {connector.key}: {address}", "bold")
    if description:
        console.line(f"  {description}")
    for condition in results:
        _print(condition, console)
    if connector.packages:
        console.line(f"  {describe(connector.packages)}")
    for fault in class_faults(connector.connector_class):
        sentence = "Pods do not get this file, but a built-in one of that name"
        console.line(f"warning: configuration {fault}: {sentence}, if there is one", "yellow")
    if result.outcome != "ok":
        console.line(f"{address}: {advice(result)}")
    note = unused_proxy(environment, connector.index_url) if result.outcome == "unreachable" else None
    if note:
        console.line(note)
    return results[-1].status == "True"


def _shown(connector: Connector) -> str:
    """Without a Secret the path may be the credential (Cloudsmith), and a CI system keeps its output."""
    if connector.secret_name is not None:
        return connector.index_url
    url = urlsplit(connector.index_url)
    return f"{url.scheme}://{url.netloc}/…"


def _print(condition: Condition, console: Console) -> None:
    status = (f"{condition.status:8}", (_STYLES[condition.status],))
    console.spans((f"  {condition.type:20}", ()), status, (f"{condition.reason:22}{condition.message}", ()))


def advice(result: Probe) -> str:
    """What to do about a probe that did not go well."""
    return _FIXES["certificate" if result.is_untrusted else result.outcome]

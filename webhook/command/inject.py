"""`pypi-connector inject`: the Pod that admission would make, without a cluster."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import yaml

from webhook import names
from webhook.command.manifests import Documents, read_yaml
from webhook.connector.manifest import MaybeConnector, parse_connector
from webhook.connector.reasons import ConnectorReason
from webhook.console import Console
from webhook.errors import InputError, InvalidConnector
from webhook.identifiers import ConnectorKey
from webhook.plain_text import plain
from webhook.pod.decision import Decision, decide
from webhook.pod.settings import Settings

_TEMPLATES = (("spec", "template"), ("spec", "jobTemplate", "spec", "template"))


def offline_settings(image: str | None) -> Settings:
    """The broker's CA is the cluster's secret to make; its place stays empty."""
    found = image or f"{names.SIDECAR_IMAGE}:{version('pypi-connector')}"
    return Settings(sidecar_image=found, allowed_images=(found,), broker_ca=())


def read_pod(source: str) -> dict[str, Any]:
    """One Pod, or the Pod that a Deployment, Job, CronJob or the like would make from its template."""
    documents = read_yaml(source)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        sentence = f"{source} must hold one document, a Pod or an object with a Pod template"
        raise InputError.of("InvalidDocument", sentence)
    document: dict[str, Any] = documents[0]
    if document.get("kind") == "Pod":
        return document
    for path in _TEMPLATES:
        template: Any = document
        for key in path:
            template = template.get(key) if isinstance(template, Mapping) else None
        if isinstance(template, Mapping) and isinstance(template.get("spec"), Mapping):
            return {"apiVersion": "v1", "kind": "Pod", **template}
    kind = document.get("kind") or "no kind"
    raise InputError.of("UnexpectedKind", f"{source} is of kind {kind}; inject takes a Pod")


def inject_offline(
    pod: dict[str, Any], documents: Documents, settings: Settings, *, namespace: str | None
) -> Decision:
    """Decide as admission would, about a Pod in `namespace`, else in its own, else in `default`.

    One thing is only warned of: an address without TLS, which is how registries on a laptop are reached.
    """
    insecure: list[str] = []

    def lookup(key: ConnectorKey) -> MaybeConnector:
        manifest = documents.connectors.get(key)
        if manifest is None:
            return None
        try:
            return parse_connector(manifest, default_namespace=key.namespace)
        except InvalidConnector as error:
            if any(problem.reason != ConnectorReason.INSECURE_ADDRESS for problem in error.problems):
                return error
            insecure.append(f"a cluster would refuse this Connector: {error}")
            return parse_connector(manifest, default_namespace=key.namespace, insecure_allowed=True)

    metadata = pod.get("metadata")
    own = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    found = namespace or own or documents.default_namespace
    decision = decide(pod, namespace=str(found), lookup=lookup, settings=settings)
    return replace(decision, warnings=(*decision.warnings, *dict.fromkeys(insecure)))


def print_decision(
    pod: dict[str, Any], decision: Decision, out: Console, errors: Console, *, as_diff: bool
) -> None:
    """The Pod on standard output, unless it is refused; everything said about it on standard error."""
    for warning in decision.warnings:
        errors.line(f"warning: {warning}", "yellow")
    errors.line(f"{decision.reason.value}: {decision.message}", "dim" if decision.allowed else "red")
    if not decision.allowed:
        return
    before, after = dump(pod), dump(decision.pod or pod)
    if as_diff:
        out.diff(
            list(
                difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="")
            )
        )
    else:
        for line in after.rstrip("\n").split("\n"):
            out.line(line)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks: files and certificates are to be read.

    Characters that a console does not print as they are stand in quotes, where YAML reads their spelling.
    """


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    lines = text.split("\n")
    style = '"' if any(plain(line) != line for line in lines) else "|" if len(lines) > 1 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(document: Mapping[str, Any]) -> str:
    """YAML as `kubectl get -o yaml` writes it, in the document's own order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)

"""`explain`: a Connector's conditions, and the registry's answers to the Pod. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecar.contract.words import Code
from webhook import names
from webhook.connector.conditions import PROXY, READY, SECRET, TYPES
from webhook.connector.description import described
from webhook.connector.reasons import ConditionReason, ConnectorReason
from webhook.explain.facts import Facts, Unread, ago, condition, metadata
from webhook.explain.grants import is_broker_reason
from webhook.explain.installation import is_absent
from webhook.explain.sidecar_lines import RefusedRequests, use_of
from webhook.explain.statements import Level, Statement
from webhook.identifiers import ConnectorKey

_FIXES: Mapping[str, str] = {
    ConditionReason.AUTHENTICATION_FAILED: "correct user name and password in the Connector's Secret",
    ConditionReason.CONNECTION_FAILED: "check spec.address of the Connector, and that the registry runs; for "
    "a certificate that is not trusted, name its CA in spec.caCertSecretRef",
    ConditionReason.NOT_AN_INDEX: "correct spec.address of the Connector, or its parameter indexPath: it is "
    "probably the address of the web interface",
    ConnectorReason.CONNECTOR_CLASS_NOT_FOUND: f"set spec.connectorClassName to {names.CONNECTOR_CLASS}, or "
    "create that ConnectorClass",
    ConnectorReason.CONNECTOR_CLASS_INVALID: "correct the ConnectorClass: `kubectl describe connectorclass` "
    "has the same sentences",
}

_REQUEST_FIXES = {
    Code.CREDENTIAL_REFUSED: "correct user name and password in the Connector's Secret; it is used within "
    "10 s",
    Code.CREDENTIAL_RESTS: "nothing, if the registry recovers: the sidecar tries it again by itself. If the "
    "password was changed there, correct the Connector's Secret; it is used within 10 s",
    Code.REQUEST_REFUSED: "ask whether the account may do this: the credential itself is accepted",
    Code.REDIRECT_NOT_FOLLOWED: "if packages may come from there, declare it as addressExtensions files of "
    "the Connector",
    Code.FILE_NOT_LISTED: "if Pods may have this file, declare the path of the files as addressExtensions "
    "files of the Connector; otherwise correct the lock file",
    Code.UPLOAD_UNCONFIRMED: "look in the registry whether it has the package, before it is uploaded again",
    Code.REGISTRY_UNREACHABLE: "check spec.address of the Connector, and that the registry runs; a corrected "
    "address is used within 15 s",
}
"""By the code of the newest request"""

_SECRET_WARNINGS = (ConditionReason.SECRET_WITHOUT_PASSWORD, ConditionReason.SECRET_WITHOUT_USERNAME)

PACKAGES_LIMIT = 5
"""Names of packages in the output. Arbitrary: a resolver may ask for hundreds"""


def explain_connector(facts: Facts, key: ConnectorKey) -> Iterator[Statement]:
    connector = facts.connectors.get(key)
    if isinstance(connector, Unread):
        yield Statement("connector", "note", f"{key}: {connector.sentence}")
    elif connector is None and is_absent(facts):
        text = f"{key}: there are no Connectors, because the product is not installed"
        level: Level = "note" if _is_served(facts, key) else "wrong"
        yield Statement("connector", level, text, "install it, and apply the Connector again")
    elif connector is None:
        text = f"{key}: there is no Connector {key.name} in namespace {key.namespace}"
        yield Statement("connector", "wrong", text, "create it there, or correct the annotation")
    else:
        yield from _conditions(facts, key, connector)


def _conditions(facts: Facts, key: ConnectorKey, connector: Mapping[str, Any]) -> Iterator[Statement]:
    ready = condition(connector, READY)
    known_as = described(connector)
    place = (connector.get("spec") or {}).get("address")
    title = f"{key} ({known_as}; {place})" if known_as else f"{key} ({place})"
    if not ready or ready.get("observedGeneration", 0) < metadata(connector).get("generation", 0):
        text = f"{title}: the product has not checked its present version yet"
        yield Statement(
            "connector", "note", text, f"if this lasts, see `kubectl get pods -n {names.NAMESPACE}`"
        )
        return
    if ready.get("status") == "True":
        yield Statement("connector", "ok", f"{title}: Ready")
        return
    # a Connector that serves the Pod is good enough for it, whatever its conditions say
    is_used = _is_served(facts, key, needs_files=ready.get("reason") == ConditionReason.NOT_AN_INDEX)
    level: Level = "wrong" if ready.get("status") == "False" and not is_used else "note"
    false = [kind for kind in TYPES if kind not in (READY, PROXY) and _status(connector, kind) == "False"]
    for kind in false or [READY]:
        cause = condition(connector, kind)
        reason = str(cause.get("reason"))
        text = f"{title}: {kind} is {cause.get('status')} ({reason}): {cause.get('message')}"
        yield Statement("connector", level, text, _FIXES.get(reason, ""))
    secret = condition(connector, SECRET)
    if secret.get("reason") in _SECRET_WARNINGS:
        yield Statement("connector", "note", f"{key}: {secret.get('message')}")


def _status(connector: Mapping[str, Any], kind: str) -> object:
    return condition(connector, kind).get("status")


def _is_served(facts: Facts, key: ConnectorKey, *, needs_files: bool = False) -> bool:
    if isinstance(facts.log, Unread):
        return False
    use = use_of(facts.log, key)
    if needs_files and not use.has_served_files:
        return False
    return bool(use.served) and not any(requests.is_last_word for requests in use.refusals)


def explain_requests(facts: Facts, key: ConnectorKey) -> Iterator[Statement]:
    """From the sidecar's log, without refusals of the broker, which the section "granted" has."""
    if isinstance(facts.log, Unread):
        return
    use = use_of(facts.log, key)
    if use.served:
        text = f"{key}: {use.served} served, the last {ago(facts.now, use.last_served)}"
        yield Statement("requests", "ok", text)
    for requests in use.refusals:
        if not (requests.is_last_word and is_broker_reason(requests.reason)):
            yield _refused(facts, key, requests)
    for sentence in use.redirected[:PACKAGES_LIMIT]:
        yield Statement("requests", "note", f"{key}: {sentence}")
    for sentence in use.denied[:PACKAGES_LIMIT]:
        yield Statement("requests", "note", f"{key}: {sentence}")
    if len(use.denied) > PACKAGES_LIMIT:
        text = f"{key}: {len(use.denied) - PACKAGES_LIMIT} more packages are denied"
        yield Statement("requests", "note", text)
    missing = [package for package in use.missing if package not in use.passed_on]
    if missing:
        yield Statement("requests", "note", f"{key}: the registry does not have {_listed(missing)} (404)")
    if use.passed_on:
        text = (
            f"{key}: the registry does not have {_listed(use.passed_on)} (404): the next connector was asked"
        )
        yield Statement("requests", "note", text)


def _listed(packages: Sequence[str]) -> str:
    return ", ".join([*packages[:PACKAGES_LIMIT], *(["…"] if len(packages) > PACKAGES_LIMIT else [])])


def _refused(facts: Facts, key: ConnectorKey, requests: RefusedRequests) -> Statement:
    times = f"{requests.count} times, the last " if requests.count > 1 else ""
    verb = "failed" if requests.is_failure else "refused"
    text = f"{key}: {verb} {times}{ago(facts.now, requests.last)} ({requests.reason}): {requests.detail}"
    if not requests.is_last_word:
        return Statement("requests", "note", text + "; served since")
    return Statement("requests", "wrong", text, _REQUEST_FIXES.get(requests.reason, ""))

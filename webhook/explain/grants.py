"""`explain`: the broker's grants and refusals, from its Events on the Pod and the sidecar's log. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sidecar.contract.words import Code
from webhook import names
from webhook.connector.reasons import ConnectorReason
from webhook.explain.facts import Facts, Json, Unread, ago, annotations, last_seen, metadata, time_of
from webhook.explain.installation import ABSENT_FIX, authority_fix, is_absent, is_of_another_installation
from webhook.explain.sidecar import is_finished
from webhook.explain.sidecar_lines import RefusedRequests, Use, use_of
from webhook.explain.statements import Statement
from webhook.grant.notices import GRANTED, INSTALL, TROUBLES, text_of, trouble_reason
from webhook.grant.reasons import BrokerReason
from webhook.identifiers import ConnectorKey
from webhook.pod.request import Request

_COMPONENT = "pypi-connector"
"""Source of the broker's Events"""
_TROUBLE_REASONS = frozenset(map(trouble_reason, TROUBLES))
"""Reasons of Events about the registry, which refuse no grant"""
_NO_ANSWER = (Code.BROKER_UNREACHABLE, Code.BROKER_UNTRUSTED)
_EVENT_SECONDS = 3600
"""The API server keeps Events for an hour, unless it is configured otherwise."""


def explain_grant(
    facts: Facts, pod: Mapping[str, Any], request: Request, key: ConnectorKey
) -> Iterator[Statement]:
    use = _use(facts, key)
    event = _newest_event(facts, key)
    refusal = _refusal_in_log(use) if use else None
    is_refusal = event is not None and event.get("reason") != GRANTED
    if event and is_refusal and not _has_later_news(use, refusal, last_seen(event)):
        yield _refused(facts, key, event)
    elif refusal:
        yield _refused_in_log(facts, key, refusal)
    elif event and not is_refusal:
        yield from _granted(facts, request, key, event)
        yield from _not_renewed(facts, pod, key)
    elif use and use.served:
        before = f"; refused before ({event.get('reason')})" if event else ""
        text = f"{key}: yes, requests were served, the last {ago(facts.now, use.last_served)}{before}"
        yield Statement("granted", "ok", text)
        yield from _not_renewed(facts, pod, key)
    elif is_of_another_installation(facts) and not is_finished(pod):
        text = f"{key}: this Pod will get no grant: an earlier installation of the product injected it"
        yield Statement("granted", "wrong", text, authority_fix(facts))
    else:
        yield _unknown(facts, pod, key)


def is_broker_reason(reason: str) -> bool:
    """Whether a request was refused because there is no grant. The broker's reasons are in CamelCase, as
    Kubernetes' are; the sidecar's own codes are not."""
    return reason in _NO_ANSWER or reason[:1].isupper()


def _use(facts: Facts, key: ConnectorKey) -> Use | None:
    return None if isinstance(facts.log, Unread) else use_of(facts.log, key)


def _newest_event(facts: Facts, key: ConnectorKey) -> Json | None:
    events = [] if isinstance(facts.events, Unread) else facts.events
    events = [event for event in events if _is_about(event, key)]
    if is_finished(facts.pod or {}):
        # an ended Pod that asks once more is refused only for its end
        events = [event for event in events if event.get("reason") != BrokerReason.POD_FINISHED]
    # of two in the same second, the grant is later: the sidecar asks again after a refusal only
    return max(events, key=_order, default=None)


def _order(event: Json) -> tuple[str, bool]:
    return str(last_seen(event)), event.get("reason") == GRANTED


def _is_about(event: Json, key: ConnectorKey) -> bool:
    """Whether the broker wrote it about a grant of this connector."""
    related = event.get("related") or {}
    is_of_broker = (event.get("source") or {}).get("component") == _COMPONENT
    is_of_connector = (related.get("namespace"), related.get("name")) == key
    return is_of_broker and is_of_connector and event.get("reason") not in _TROUBLE_REASONS


def _has_later_news(use: Use | None, refusal: RefusedRequests | None, then: datetime | None) -> bool:
    """Whether the log is newer than the Event of time `then`.

    Repeated grants get no further Event, and a broker that is not reached, or not trusted, writes none.
    """
    no_answer = refusal.last if refusal and refusal.reason in _NO_ANSWER else None
    later = [time for time in (use and use.last_served, no_answer) if time and then and time > then]
    return bool(later)


def _refused(facts: Facts, key: ConnectorKey, event: Json) -> Statement:
    reason, count = str(event.get("reason")), int(event.get("count") or 1)
    sentence = text_of(key, str(event.get("message")))
    times = f", {count} times" if count > 1 else ""
    text = f"{key}: refused {ago(facts.now, last_seen(event))}{times} ({reason}): {sentence}"
    return Statement("granted", "wrong", text, _fix(facts, key, reason))


def _fix(facts: Facts, key: ConnectorKey, reason: str) -> str:
    """A command to paste, if a command is the remedy; otherwise the sentence says what to do."""
    if reason == BrokerReason.ACCESS_DENIED:
        return _own_binding(facts, names.USER_ROLE, key.namespace)
    if reason in (ConnectorReason.SECRET_FORBIDDEN, ConnectorReason.CA_SECRET_FORBIDDEN):
        role = names.SECRET_READER_ROLE
        return _binding(role, role, key.namespace, f"{names.NAMESPACE}:{names.BROKER}")
    return ""


def _own_binding(facts: Facts, role: str, namespace: str) -> str:
    """Binds the role to the Pod's ServiceAccount."""
    account = str(((facts.pod or {}).get("spec") or {}).get("serviceAccountName") or "default")
    name = f"{role}-{facts.namespace}-{account}"
    return _binding(name, role, namespace, f"{facts.namespace}:{account}")


def _binding(name: str, role: str, namespace: str, account: str) -> str:
    return f"kubectl create rolebinding {name} -n {namespace} --clusterrole={role} --serviceaccount={account}"


def _granted(facts: Facts, request: Request, key: ConnectorKey, event: Json) -> Iterator[Statement]:
    rights = text_of(key, str(event.get("message")))
    yield Statement("granted", "ok", f"{key}: {rights}, {ago(facts.now, last_seen(event))}")
    if rights != INSTALL or key not in request.publish_targets or not _wants_upload(facts, key):
        return
    connector = facts.connectors.get(key)
    if connector and not isinstance(connector, Unread) and _parameter(connector, "access") == "read":
        yield Statement("granted", "note", f"{key}: no upload, because its parameter access is read")
        return
    command = _own_binding(facts, names.PUBLISHER_ROLE, key.namespace)
    yield Statement("granted", "note", f"{key}: no upload without a role that allows it", command)


def _wants_upload(facts: Facts, key: ConnectorKey) -> bool:
    """Whether the Pod means to upload: every Pod gets an upload address, and few use it."""
    written = annotations(facts.pod or {})
    is_written = names.PUBLISH_CONNECTOR in written or names.PYPIRC_CONFIGURATION in written.get(
        names.CONFIGURATIONS, ""
    )
    use = _use(facts, key)
    return is_written or (use is not None and any(map(_is_upload_refused, use.refusals)))


def _is_upload_refused(requests: RefusedRequests) -> bool:
    return requests.reason == Code.UPLOAD_NOT_GRANTED


def _not_renewed(facts: Facts, pod: Mapping[str, Any], key: ConnectorKey) -> Iterator[Statement]:
    if is_finished(pod) or not (is_absent(facts) or is_of_another_installation(facts)):
        return
    text = f"{key}: this grant is valid for an hour at most, and the Pod will get no other"
    yield Statement("granted", "note", text, ABSENT_FIX if is_absent(facts) else authority_fix(facts))


def _parameter(connector: Mapping[str, Any], name: str) -> object:
    parameters = (connector.get("spec") or {}).get("params") or []
    return next((entry.get("value") for entry in parameters if entry.get("name") == name), None)


def _refusal_in_log(use: Use) -> RefusedRequests | None:
    refusals = [requests for requests in use.refusals if requests.is_last_word]
    return next((requests for requests in refusals if is_broker_reason(requests.reason)), None)


def _refused_in_log(facts: Facts, key: ConnectorKey, refusal: RefusedRequests) -> Statement:
    when = ago(facts.now, refusal.last)
    if refusal.reason == Code.BROKER_UNTRUSTED:
        text = f"{key}: the sidecar could not verify the broker, {when}: {refusal.cause}"
        return Statement("granted", "wrong", text, authority_fix(facts))
    if refusal.reason == Code.BROKER_UNREACHABLE:
        text = f"{key}: the sidecar had no answer from the broker, {when}: {refusal.cause}"
        return Statement("granted", "wrong", text, _broker_fix(facts))
    text = f"{key}: refused {when} ({refusal.reason}): {refusal.cause}"
    return Statement("granted", "wrong", text, _fix(facts, key, refusal.reason))


def _broker_fix(facts: Facts) -> str:
    look = f"kubectl get pods -n {names.NAMESPACE}"
    if isinstance(facts.broker, Unread):
        return (
            f"ask an administrator of namespace {names.NAMESPACE} whether the Deployment {names.BROKER} runs"
        )
    if is_absent(facts):
        return ABSENT_FIX
    if facts.broker is None:
        return f"there is no Deployment {names.BROKER} in namespace {names.NAMESPACE}: install the product"
    if is_of_another_installation(facts):
        return authority_fix(facts)
    ready = int((facts.broker.get("status") or {}).get("readyReplicas") or 0)
    if not ready:
        return f"no replica of the Deployment {names.BROKER} is ready: see `{look}`"
    policy = (
        "NetworkPolicies of this namespace must let the Pod reach it, and its dnsPolicy must resolve Services"
    )
    return f"{ready} replicas of the Deployment {names.BROKER} are ready: {policy}"


def _unknown(facts: Facts, pod: Mapping[str, Any], key: ConnectorKey) -> Statement:
    if isinstance(facts.events, Unread):
        return Statement("granted", "note", f"{key}: {facts.events.sentence}")
    created = time_of(metadata(pod).get("creationTimestamp"))
    if created is not None and (facts.now - created).total_seconds() > _EVENT_SECONDS:
        return Statement("granted", "note", f"{key}: no Event is left; Events are kept for an hour")
    if is_finished(pod):
        return Statement("granted", "note", f"{key}: no client of the Pod has sent a request")
    return Statement("granted", "note", f"{key}: not requested yet; a client's first request does that")

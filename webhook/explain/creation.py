"""`explain`: why a Pod is not there, or is there without its sidecar. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names
from webhook.explain.facts import Facts, Json, Unread, ago, annotations, last_seen, metadata, time_of
from webhook.explain.statements import Statement

SYSTEM = ("kube-system", names.NAMESPACE)
"""Namespaces that the webhook is not registered for: it must not stand in the way of its own start."""

_MIRROR = "kubernetes.io/config.mirror"


def failed_creations(facts: Facts) -> list[Json]:
    """Events that tell of a Pod of this name, or of this workload, that could not be created."""
    if isinstance(facts.creations, Unread):
        return []
    named = facts.name
    found = []
    for event in facts.creations:
        owner = str((event.get("involvedObject") or {}).get("name"))
        # a workload's Pods, and its ReplicaSets, begin with its name; a StatefulSet's Event names the Pod
        is_of_workload = facts.workload is not None and (owner == named or owner.startswith(named + "-"))
        is_of_pod = facts.workload is None and (named.startswith(owner + "-") or owner == named)
        if is_of_workload or is_of_pod:
            found.append(event)
    return sorted(found, key=lambda one: str(last_seen(one)), reverse=True)


def explain_absence(facts: Facts) -> list[Statement]:
    """There is no Pod: the newest failure to create one says why."""
    failures = failed_creations(facts)
    if isinstance(facts.creations, Unread):
        return [Statement("created", "wrong", f"there is no Pod; {facts.creations.sentence}")]
    if not failures:
        text = "there is no Pod, and no Event tells that creating one failed (Events are kept for an hour)"
        return [Statement("created", "waiting", text, "see `kubectl describe` of what should create it")]
    return list(_failure(failures[0], facts))


def _failure(event: Mapping[str, Any], facts: Facts) -> Iterator[Statement]:
    """A statement for each line: admission writes its problems one a line."""
    owner = event.get("involvedObject") or {}
    message, *further = str(event.get("message")).split("\n")
    when = ago(facts.now, last_seen(event))
    text = f"{owner.get('kind')} {owner.get('name')} could not create its Pod, {when}: {message}"
    fix = ""
    if "failed calling webhook" in message:
        # the API server's own words for a webhook that did not answer
        fix = f"see `kubectl get pods -n {names.NAMESPACE}`, and their logs"
    yield Statement("created", "wrong", text, fix)
    for line in further:
        yield Statement("created", "wrong", line)


def explain_missing_sidecar(facts: Facts, pod: Mapping[str, Any]) -> Iterator[Statement]:
    """The Pod names a connector, and has no sidecar."""
    anew = "delete the Pod and create it anew: annotations count when a Pod is created"
    if _MIRROR in annotations(pod):
        text = "no sidecar: a static Pod cannot be injected, for the kubelet runs it from a file"
        yield Statement(
            "injected", "wrong", text, "make it a Pod of a DaemonSet, or set the annotation aside"
        )
    elif facts.namespace in SYSTEM:
        text = f"no sidecar: Pods of namespace {facts.namespace} are never injected"
        yield Statement("injected", "wrong", text, "run the Pod in another namespace")
    elif isinstance(facts.registration, Unread):
        yield Statement(
            "injected", "wrong", "no sidecar: the webhook did not see this Pod being created", anew
        )
        yield Statement(
            "injected", "note", f"whether the webhook is registered: {facts.registration.sentence}"
        )
    elif facts.registration is None:
        kind = "MutatingWebhookConfiguration"
        text = f"no sidecar: the webhook is not registered ({kind} {names.WEBHOOK_CONFIGURATION})"
        yield Statement("injected", "wrong", text, f"install the product; then {anew}")
    elif _is_older(pod, facts.registration):
        yield Statement(
            "injected", "wrong", "no sidecar: the Pod is older than the webhook's registration", anew
        )
    else:
        text = (
            "no sidecar: the annotation was added after the Pod's creation, or its namespace is left out of "
        )
        text += f"MutatingWebhookConfiguration {names.WEBHOOK_CONFIGURATION}"
        yield Statement("injected", "wrong", text, anew)


def _is_older(pod: Mapping[str, Any], registration: Mapping[str, Any]) -> bool:
    created, registered = (time_of(metadata(one).get("creationTimestamp")) for one in (pod, registration))
    return created is not None and registered is not None and created < registered

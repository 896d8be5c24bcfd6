"""`explain`: why a Pod does not exist, or exists without its sidecar. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names
from webhook.explain.dropped import explain_refusal
from webhook.explain.facts import Facts, Json, Unread, ago, annotations, last_seen, metadata, time_of
from webhook.explain.statements import Statement
from webhook.pod.shape import MIRROR_ANNOTATION

SYSTEM = ("kube-system", names.NAMESPACE)
"""Namespaces that the webhook is not registered for: it must not block its own start."""


def failed_creations(facts: Facts) -> list[Json]:
    """Events about a Pod of this name, or of this workload, that could not be created; newest first."""
    if isinstance(facts.creations, Unread):
        return []
    failures = []
    for event in facts.creations:
        owner = str((event.get("involvedObject") or {}).get("name"))
        # names of a workload's Pods and ReplicaSets begin with its own; a StatefulSet's Event names the Pod
        is_of_workload = facts.workload is not None and _is_child(owner, facts.name)
        is_of_pod = facts.workload is None and _is_child(facts.name, owner)
        if is_of_workload or is_of_pod:
            failures.append(event)
    return sorted(failures, key=lambda event: str(last_seen(event)), reverse=True)


def _is_child(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + "-")


def explain_absence(facts: Facts) -> list[Statement]:
    """There is no Pod. The newest failure to create it says why."""
    failures = failed_creations(facts)
    if isinstance(facts.creations, Unread):
        return [Statement("created", "wrong", f"there is no Pod; {facts.creations.sentence}")]
    if not failures:
        text = "there is no Pod, and no Event says that its creation failed (Events are kept for an hour)"
        fix = "see `kubectl describe` of the object that should create it"
        return [Statement("created", "waiting", text, fix)]
    return list(_failure(failures[0], facts))


def _failure(event: Mapping[str, Any], facts: Facts) -> Iterator[Statement]:
    """A statement for each line: admission writes each problem on its own line."""
    owner = event.get("involvedObject") or {}
    message, *further = str(event.get("message")).split("\n")
    when = ago(facts.now, last_seen(event))
    text = f"{owner.get('kind')} {owner.get('name')} could not create its Pod, {when}: {message}"
    fix = ""
    if "failed calling webhook" in message:
        # the API server's own words about a webhook that did not answer
        fix = f"see `kubectl get pods -n {names.NAMESPACE}`, and their logs"
    yield Statement("created", "wrong", text, fix)
    for line in further:
        yield Statement("created", "wrong", line)
    yield from explain_refusal(facts, message)


def explain_missing_sidecar(facts: Facts, pod: Mapping[str, Any]) -> Iterator[Statement]:
    """The Pod names a connector, by an annotation or by CSI volumes, and has no sidecar."""
    asking = "annotations take" if names.CONNECTOR in annotations(pod) else "a volume takes"
    recreate = f"delete the Pod and create it again: {asking} effect when a Pod is created"
    if MIRROR_ANNOTATION in annotations(pod):
        text = "no sidecar: a static Pod cannot be injected, because the kubelet runs it from a file"
        yield Statement("injected", "wrong", text, "make it a Pod of a DaemonSet, or remove the annotation")
    elif facts.namespace in SYSTEM:
        text = f"no sidecar: Pods of namespace {facts.namespace} are never injected"
        yield Statement("injected", "wrong", text, "run the Pod in another namespace")
    elif isinstance(facts.registration, Unread):
        yield Statement(
            "injected", "wrong", "no sidecar: the webhook did not see the creation of this Pod", recreate
        )
        yield Statement(
            "injected", "note", f"whether the webhook is registered: {facts.registration.sentence}"
        )
    elif facts.registration is None:
        kind = "MutatingWebhookConfiguration"
        text = f"no sidecar: the webhook is not registered ({kind} {names.WEBHOOK_CONFIGURATION})"
        yield Statement("injected", "wrong", text, f"install the product; then {recreate}")
    elif _is_older(pod, facts.registration):
        yield Statement(
            "injected", "wrong", "no sidecar: the Pod is older than the webhook's registration", recreate
        )
    else:
        text = (
            f"no sidecar: {_cause(pod)}, or its namespace is excluded from MutatingWebhookConfiguration "
            f"{names.WEBHOOK_CONFIGURATION}"
        )
        yield Statement("injected", "wrong", text, recreate)


def _cause(pod: Mapping[str, Any]) -> str:
    """Annotations may be added to a Pod that exists, and volumes may not."""
    if names.CONNECTOR in annotations(pod):
        return "the annotation was added after the Pod's creation"
    return "the webhook did not see the creation of this Pod"


def _is_older(pod: Mapping[str, Any], registration: Mapping[str, Any]) -> bool:
    created = time_of(metadata(pod).get("creationTimestamp"))
    registered = time_of(metadata(registration).get("creationTimestamp"))
    return created is not None and registered is not None and created < registered

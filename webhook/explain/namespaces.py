"""`explain`: what the Namespace asks for its Pods, and why a Pod there has no sidecar. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names
from webhook.explain.creation import SYSTEM
from webhook.explain.facts import Facts, annotations, metadata
from webhook.explain.statements import Statement
from webhook.pod.csi_volumes import driver_volumes
from webhook.pod.inheritance import Inheritance, inherit, read_result
from webhook.pod.namespace import NamespaceFacts, namespace_facts

_AGAIN = "and create the Pod again"


def inheritance_of(facts: Facts, subject: Mapping[str, Any]) -> Inheritance:
    """A Pod carries what it has inherited. The template of a workload without a Pod would inherit."""
    if facts.pod is not None or facts.namespace in SYSTEM:
        return Inheritance(annotations(subject))
    return _inherited(facts.namespace_object, subject)


def inherited_annotations(namespace: object, subject: Mapping[str, Any], name: str) -> Mapping[str, str]:
    """The annotations of a Pod that the Namespace `name` would get from this template."""
    return _inherited(None if name in SYSTEM else namespace, subject).annotations


def _inherited(namespace: object, subject: Mapping[str, Any]) -> Inheritance:
    """A template's volumes count as asking: whether the driver is installed is not known here."""
    asks_by_volume = any(driver_volumes(subject))
    return inherit(subject, _of(namespace) or NamespaceFacts(), asks_by_volume=asks_by_volume)


def is_asked_by_namespace(subject: Mapping[str, Any]) -> bool:
    return read_result(annotations(subject)).get(names.RESULT_ASKED_BY) == names.ASKED_BY_NAMESPACE


def explain_unserved(facts: Facts, subject: Mapping[str, Any]) -> Iterator[Statement]:
    """The Pod names no connector. Nothing, if the Namespace has nothing to do with it or cannot be read."""
    result = read_result(annotations(subject))
    namespace = _of(facts.namespace_object)
    if result.get("decision") == names.RESULT_SKIPPED:
        yield from _skipped(str(result.get("message")))
    elif namespace is not None:
        yield from _without_effect(facts, namespace)


def _of(namespace: object) -> NamespaceFacts | None:
    if not isinstance(namespace, Mapping):
        return None
    return namespace_facts(metadata(namespace).get("labels") or {}, annotations=annotations(namespace))


def _skipped(message: str) -> Iterator[Statement]:
    first, *further = message.split("\n")
    fix = f'change that, {_AGAIN}; if it needs no connector, write the annotation {names.INJECT}: "false"'
    yield Statement("asked", "wrong", first, fix)
    for line in further:
        yield Statement("asked", "wrong", line)


def _without_effect(facts: Facts, namespace: NamespaceFacts) -> Iterator[Statement]:
    title = f"Namespace {facts.namespace}"
    has_connector = names.CONNECTOR in namespace.annotations
    label = namespace.labels.get(names.INJECT)
    wish = f"the label {names.INJECT}: {names.OPTED_IN}"
    if facts.namespace in SYSTEM and label is not None:
        text = f"nothing: {title} has the label {names.INJECT}, but its Pods are never injected"
        yield Statement("asked", "wrong", text, "run the Pod in another namespace")
    elif namespace.is_opted_in and has_connector:
        text = (
            f"nothing: {title} asks for a connector, but the Pod is older than that, or the webhook was away"
        )
        yield Statement("asked", "wrong", text, "delete the Pod and create it again")
    elif namespace.is_opted_in:
        text = f"nothing: {title} has {wish}, but no annotation {names.CONNECTOR}"
        yield Statement("asked", "wrong", text, f"write the annotation, {_AGAIN}")
    elif label is not None:
        text = f"nothing: {title} has the label {names.INJECT}: {label}, which has no effect"
        yield Statement("asked", "wrong", text, f"give it {wish}, {_AGAIN}")
    elif has_connector:
        text = f"nothing: {title} has an annotation {names.CONNECTOR}, but not {wish}"
        yield Statement("asked", "wrong", text, f"write the label, {_AGAIN}")

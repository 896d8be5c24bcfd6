"""`explain`: a Pod's request for connectors, and why a Pod that seems to have a request has none. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names
from webhook.errors import InputError
from webhook.explain import namespaces, workloads
from webhook.explain.facts import Facts, annotations, metadata
from webhook.explain.statements import Statement
from webhook.pod.csi_volumes import unserved_volumes
from webhook.pod.misspelling import other_prefixes
from webhook.pod.request import Request, parse_annotations


def read_request(facts: Facts) -> tuple[Request | None, list[Statement]]:
    """The request and the statements about it. The request is None if there is none, or if it is invalid."""
    subject = facts.pod or workloads.template(facts.workload or {})
    inheritance = namespaces.inheritance_of(facts, subject)
    try:
        request = parse_annotations(
            inheritance.annotations, namespace=facts.namespace, inherited=inheritance.inherited
        )
    except InputError as error:
        return None, [
            Statement("asked", "wrong", problem.message, "correct the annotation, and create the Pod again")
            for problem in error.problems
        ]
    if request.is_opted_out:
        text = f'the Pod opted out: its annotation {names.INJECT} is "false"'
        return None, [Statement("asked", "wrong", text, "remove the annotation, and create the Pod again")]
    if not request.connectors:
        notes = [Statement("asked", "note", sentence) for sentence in other_prefixes(subject)]
        of_namespace = list(namespaces.explain_unserved(facts, subject))
        return None, [*_warnings(request), *notes, *(of_namespace or _not_asked(facts, subject))]
    text = describe(request)
    if inheritance.is_asked_by_namespace or namespaces.is_asked_by_namespace(subject):
        text += f"; Namespace {facts.namespace} asks for it"
    return request, [Statement("asked", "ok", text), *_warnings(request), *_volumes(subject)]


def describe(request: Request) -> str:
    """`install from team/pypi, then shared/mirror; upload to team/up`."""
    parts = [f"install from {', then '.join(map(str, request.connectors))}"]
    if request.publish_targets:
        parts.append(f"upload to {', '.join(map(str, request.publish_targets))}")
    if request.containers is not None:
        parts.append(f"in container {', '.join(request.containers)}")
    return "; ".join(parts)


def _warnings(request: Request) -> Iterator[Statement]:
    for warning in request.warnings:
        yield Statement("asked", "note", warning)


def _volumes(subject: Mapping[str, Any]) -> Iterator[Statement]:
    """Notes on volumes beside the annotation. They may work, because the driver may be installed."""
    for volume, _ in unserved_volumes(subject):
        text = (
            f"volume {volume} uses the CSI driver {names.CSI_DRIVER}: if that is not installed, the Pod waits"
        )
        fix = "remove the volume, and create the Pod again: the annotation is enough"
        yield Statement("asked", "note", text, fix)


def _not_asked(facts: Facts, subject: Mapping[str, Any]) -> list[Statement]:
    volumes = list(unserved_volumes(subject))
    if volumes:
        return [_by_volume(*volumes[0], _annotation_field(facts))]
    workload = [facts.workload] if facts.workload else []
    misplaced = [owner for owner in (*workload, *facts.owners) if names.CONNECTOR in annotations(owner)]
    if misplaced:
        return [_misplaced(misplaced[-1])]
    if names.CONNECTOR in (metadata(subject).get("labels") or {}):
        text = f"{names.CONNECTOR} is a label of the Pod, where it has no effect"
        return [
            Statement("asked", "wrong", text, "write it under metadata.annotations, and create the Pod again")
        ]
    text = f"nothing: the Pod has no annotation {names.CONNECTOR}"
    return [
        Statement("asked", "wrong", text, f"write it {_annotation_field(facts)}, and create the Pod again")
    ]


def _annotation_field(facts: Facts) -> str:
    """The place of the annotation, in words."""
    owner = next(iter((*([facts.workload] if facts.workload else []), *facts.owners)), None)
    if owner is None:
        return "under metadata.annotations"
    return f"under {workloads.template_field(owner)} of {_title(owner)}"


def _by_volume(volume: str, connectors: str, field: str) -> Statement:
    text = (
        f"volume {volume} uses the CSI driver {names.CSI_DRIVER}, which this product does not serve: if the "
        "driver is not installed, the Pod waits in ContainerCreating"
    )
    annotation = f'{names.CONNECTOR}: "{connectors}"'
    fix = f"remove the volume and its mounts, write {annotation} {field}, and create the Pod again"
    return Statement("asked", "wrong", text, fix)


def _misplaced(owner: Mapping[str, Any]) -> Statement:
    text = f"the annotation {names.CONNECTOR} is on {_title(owner)} itself, where it has no effect"
    fix = f"move it to {workloads.template_field(owner)}"
    if owner.get("kind") == "Job":
        fix += ", and create the Job again: the template of an existing Job cannot be changed"
    return Statement("asked", "wrong", text, fix)


def _title(owner: Mapping[str, Any]) -> str:
    return f"{owner.get('kind')} {metadata(owner).get('name')}"

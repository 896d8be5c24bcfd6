"""`explain`: a Pod's request for connectors, and why a Pod that seems to have a request has none. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from webhook import names
from webhook.errors import InputError, Problem
from webhook.explain import namespaces, workloads
from webhook.explain.facts import Facts, annotations, metadata
from webhook.explain.statements import Statement
from webhook.pod.csi_volumes import driver_volumes
from webhook.pod.misspelling import other_prefixes
from webhook.pod.reasons import Reason
from webhook.pod.request import Request
from webhook.pod.resolution import read_request as read_pod


def read_request(facts: Facts) -> tuple[Request | None, list[Statement]]:
    """The request and the statements about it. The request is None if there is none, or if it is invalid."""
    subject = facts.pod or workloads.template(facts.workload or {})
    inheritance = namespaces.inheritance_of(facts, subject)
    try:
        request = read_pod(
            subject,
            annotations=inheritance.annotations,
            namespace=facts.namespace,
            has_csi_driver=_has_driver(subject),
            inherited=inheritance.inherited,
        )
    except InputError as error:
        return None, [
            Statement(
                "asked", "wrong", problem.message, f"correct the {_place(problem)}, and create the Pod again"
            )
            for problem in error.problems
        ]
    if request.is_opted_out:
        text = f'the Pod opted out: its annotation {names.INJECT} is "false"'
        opted_out = Statement("asked", "wrong", text, "remove the annotation, and create the Pod again")
        return None, [opted_out, *_waiting(subject)]
    if not request.connectors:
        notes = [Statement("asked", "note", sentence) for sentence in other_prefixes(subject)]
        of_namespace = list(namespaces.explain_unserved(facts, subject))
        return None, [*_warnings(request), *notes, *(of_namespace or _not_asked(facts, subject))]
    text = describe(request)
    if inheritance.is_asked_by_namespace or namespaces.is_asked_by_namespace(subject):
        text += f"; Namespace {facts.namespace} asks for it"
    return request, [Statement("asked", "ok", text), *_warnings(request), *_left(subject, request)]


def _place(problem: Problem) -> str:
    return "volume" if problem.reason == Reason.INVALID_VOLUME else "annotation"


def describe(request: Request) -> str:
    """`install from team/pypi, then shared/mirror; upload to team/up`."""
    parts = [f"install from {', then '.join(map(str, request.connectors))}"]
    if request.publish_targets:
        parts.append(f"upload to {', '.join(map(str, request.publish_targets))}")
    parts += [f"files in volume {volume.name} for {volume.key}" for volume in request.volumes]
    if request.containers is not None:
        parts.append(f"in container {', '.join(request.containers)}")
    return "; ".join(parts)


def _warnings(request: Request) -> Iterator[Statement]:
    for warning in request.warnings:
        yield Statement("asked", "note", warning)


def _has_driver(subject: Mapping[str, Any]) -> bool:
    """Whether admission has left the volumes to the driver. Of a template nobody knows it yet."""
    return f'"{names.LEFT_TO_DRIVER}"' in annotations(subject).get(names.CSI_VOLUMES, "")


def _left(subject: Mapping[str, Any], request: Request) -> Iterator[Statement]:
    served = {volume.name for volume in request.volumes}
    for volume in driver_volumes(subject):
        if volume.get("name") not in served:
            left = f"volume {volume.get('name')} is left to the CSI driver {names.CSI_DRIVER}"
            yield Statement("asked", "note", f"{left}, which is installed")


def _waiting(subject: Mapping[str, Any]) -> Iterator[Statement]:
    for volume in driver_volumes(subject):
        text = (
            f"volume {volume.get('name')} uses the CSI driver {names.CSI_DRIVER}: if that is not installed, "
            "the Pod waits in ContainerCreating"
        )
        yield Statement("asked", "note", text)


def _not_asked(facts: Facts, subject: Mapping[str, Any]) -> list[Statement]:
    fix = "see the Events of the Pod, or ask by the annotation: the driver belongs to another product"
    left = [replace(statement, level="wrong", fix=fix) for statement in _left(subject, Request())]
    if left:
        return left
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


def _misplaced(owner: Mapping[str, Any]) -> Statement:
    text = f"the annotation {names.CONNECTOR} is on {_title(owner)} itself, where it has no effect"
    fix = f"move it to {workloads.template_field(owner)}"
    if owner.get("kind") == "Job":
        fix += ", and create the Job again: the template of an existing Job cannot be changed"
    return Statement("asked", "wrong", text, fix)


def _title(owner: Mapping[str, Any]) -> str:
    return f"{owner.get('kind')} {metadata(owner).get('name')}"

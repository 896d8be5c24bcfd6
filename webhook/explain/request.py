"""`explain`: what a Pod asks for, and why one that seems to ask does not. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook import names
from webhook.errors import InputError
from webhook.explain import workloads
from webhook.explain.facts import Facts, annotations, metadata
from webhook.explain.statements import Statement
from webhook.pod.csi_volumes import unserved_volumes
from webhook.pod.request import Request, parse_annotations


def read_request(facts: Facts) -> tuple[Request | None, list[Statement]]:
    """The request, None where nothing (or nothing that can be read) is asked for, and what to say of it."""
    subject = facts.pod or workloads.template(facts.workload or {})
    try:
        request = parse_annotations(annotations(subject), namespace=facts.namespace)
    except InputError as error:
        return None, [
            Statement("asked", "wrong", problem.message, "correct the annotation, and create the Pod anew")
            for problem in error.problems
        ]
    if request.is_opted_out:
        text = f'the Pod opted out: its annotation {names.INJECT} is "false"'
        return None, [Statement("asked", "wrong", text, "remove the annotation, and create the Pod anew")]
    if not request.connectors:
        return None, [*_warnings(request), *_not_asked(facts, subject)]
    return request, [Statement("asked", "ok", describe(request)), *_warnings(request), *_volumes(subject)]


def describe(request: Request) -> str:
    """`install from team/pypi, upload to team/up`."""
    first, *others = request.connectors
    parts = [f"install from {first}" + (f", and beside it {', '.join(map(str, others))}" if others else "")]
    if request.publish_target:
        parts.append(f"upload to {request.publish_target}")
    if request.containers is not None:
        parts.append(f"in container {', '.join(request.containers)}")
    return "; ".join(parts)


def _warnings(request: Request) -> Iterator[Statement]:
    for warning in request.warnings:
        yield Statement("asked", "note", warning)


def _volumes(subject: Mapping[str, Any]) -> Iterator[Statement]:
    """A note on volumes beside the annotation, which is enough: the driver may be installed."""
    for volume, _ in unserved_volumes(subject):
        text = (
            f"volume {volume} is of the CSI driver {names.CSI_DRIVER}: "
            "where that is not installed, the Pod waits"
        )
        fix = "remove the volume, and create the Pod anew: the annotation is enough"
        yield Statement("asked", "note", text, fix)


def _not_asked(facts: Facts, subject: Mapping[str, Any]) -> list[Statement]:
    volumes = list(unserved_volumes(subject))
    if volumes:
        return [_by_volume(*volumes[0], _place(facts))]
    workload = [facts.workload] if facts.workload else []
    misplaced = [one for one in (*workload, *facts.owners) if names.CONNECTOR in annotations(one)]
    if misplaced:
        return [_misplaced(misplaced[-1])]
    if names.CONNECTOR in (metadata(subject).get("labels") or {}):
        text = f"{names.CONNECTOR} is a label of the Pod: nobody reads it there"
        return [
            Statement("asked", "wrong", text, "write it under metadata.annotations, and create the Pod anew")
        ]
    text = f"nothing: the Pod has no annotation {names.CONNECTOR}"
    return [Statement("asked", "wrong", text, f"write it {_place(facts)}, and create the Pod anew")]


def _place(facts: Facts) -> str:
    """Where the annotation belongs."""
    owner = next(iter((*([facts.workload] if facts.workload else []), *facts.owners)), None)
    if owner is None:
        return "under metadata.annotations"
    return f"under {workloads.template_field(owner)} of {_called(owner)}"


def _by_volume(volume: str, connectors: str, place: str) -> Statement:
    text = (
        f"volume {volume} is of the CSI driver {names.CSI_DRIVER}, which this product does not serve: where "
        "the driver is not installed, the Pod waits in ContainerCreating"
    )
    annotation = f'{names.CONNECTOR}: "{connectors}"'
    fix = f"remove the volume and its mounts, write {annotation} {place}, and create the Pod anew"
    return Statement("asked", "wrong", text, fix)


def _misplaced(owner: Mapping[str, Any]) -> Statement:
    text = f"the annotation {names.CONNECTOR} stands on {_called(owner)} itself, where nobody reads it"
    fix = f"move it to {workloads.template_field(owner)}"
    if owner.get("kind") == "Job":
        fix += ", and create the Job anew: the template of one that exists cannot be changed"
    return Statement("asked", "wrong", text, fix)


def _called(owner: Mapping[str, Any]) -> str:
    return f"{owner.get('kind')} {metadata(owner).get('name')}"

"""The annotations of a Pod, with those that its Namespace has as defaults. Pure.

    annotation of the Namespace               a Pod inherits it unless it has
    connector, publish-connector, port        a connector of its own: they belong to the Namespace's connector
    configurations, containers, sidecar-…,    the same annotation
    log-level

A Pod that opts out inherits nothing, nor does a Pod without any connector. The webhook writes what a Pod has
inherited into the Pod, and lists the names in the annotation `names.RESULT`. So guards and broker see a Pod
like any other, and a second review knows it again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook import names
from webhook.pod.namespace import NamespaceFacts
from webhook.pod.shape import MIRROR_ANNOTATION, workload_containers

OF_THE_CONNECTOR = (names.CONNECTOR, names.PUBLISH_CONNECTOR, names.PORT)
"""They say something about the connector beside them, so they are inherited with it or not at all."""

RESULT_LIMIT = 16 * 1024
"""Characters of a result that is parsed. The webhook's own have 5,000 at most."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    annotations: Mapping[str, str]
    """The Pod's own, and those of the Namespace"""
    inherited: Mapping[str, str] = field(default_factory=dict)
    """Those of the Namespace alone, on this pass or an earlier one"""
    asks_itself: bool = False
    """Whether the Pod came in with a connector. After an earlier pass it always does."""
    is_asked_by_namespace: bool = False
    """Whether it came in without, on this pass or an earlier one"""


def inherit(pod: Mapping[str, Any], facts: NamespaceFacts, *, asks_by_volume: bool = False) -> Inheritance:
    """`asks_by_volume`: a CSI volume of the Pod names a connector, as its own annotation would."""
    own = (pod.get("metadata") or {}).get("annotations") or {}
    asks_itself = names.CONNECTOR in own or names.PUBLISH_CONNECTOR in own or asks_by_volume
    defaults = _defaults(pod, facts, asks_itself=asks_itself)
    is_served = names.CONNECTOR in own or names.CONNECTOR in defaults or asks_by_volume
    is_left_out = own.get(names.INJECT) == "false" or MIRROR_ANNOTATION in own
    if is_left_out or not is_served or not defaults:
        return Inheritance(own, asks_itself=asks_itself)
    kept_out = OF_THE_CONNECTOR if names.CONNECTOR in own or asks_by_volume else ()
    new = {name: text for name, text in defaults.items() if name not in own and name not in kept_out}
    result = read_result(own)
    recorded = result.get(names.RESULT_INHERITED)
    listed = recorded if isinstance(recorded, list) else []
    former = {name: text for name, text in defaults.items() if name in listed and own.get(name) == text}
    was_asked = names.CONNECTOR in former and result.get(names.RESULT_ASKED_BY) == names.ASKED_BY_NAMESPACE
    return Inheritance({**own, **new}, {**former, **new}, asks_itself, was_asked or not asks_itself)


def _defaults(pod: Mapping[str, Any], facts: NamespaceFacts, *, asks_itself: bool) -> dict[str, str]:
    """The Namespace's annotations for this Pod: of `containers`, those that the Pod has.

    If it has none of them, the annotation is for other Pods. A Pod that asks itself goes without it; for any
    other Pod it stays, and is an obstacle.
    """
    defaults = dict(facts.defaults)
    if names.CONTAINERS not in defaults:
        return defaults
    present = {container.get("name") for container in workload_containers(pod)}
    named = [part.strip() for part in defaults[names.CONTAINERS].split(",")]
    chosen = [name for name in named if name in present]
    if chosen:
        defaults[names.CONTAINERS] = ",".join(dict.fromkeys(chosen))
    elif asks_itself and all(named):
        del defaults[names.CONTAINERS]
    return defaults


def read_result(own: Mapping[str, str]) -> Mapping[str, Any]:
    """The result of an earlier pass. The annotation may be anybody's, and of any shape."""
    text = own.get(names.RESULT, "")
    try:
        result = json.loads(text) if len(text) <= RESULT_LIMIT else None
    except (ValueError, RecursionError):
        return {}
    return result if isinstance(result, dict) else {}

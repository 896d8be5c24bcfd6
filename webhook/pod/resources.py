"""The sidecar's resources, as its Pod, the author and the namespace want them. Pure."""

from collections.abc import Mapping
from typing import Any

from webhook import names
from webhook.errors import Problem
from webhook.pod.amounts import Amount, PodAmounts
from webhook.pod.namespace import NamespaceFacts
from webhook.pod.quantities import parse_quantity
from webhook.pod.reasons import Reason
from webhook.pod.request import Resources
from webhook.pod.resource_choice import Chooser
from webhook.pod.resource_fit import Misfit, broken_rules
from webhook.pod.resource_rules import demanded, foreign_demands
from webhook.pod.shape import containers

AMOUNTS = ("cpu", "memory", "ephemeral-storage")
"""Resources that are mere amounts. Any other name means a device, whose driver adds variables and mounts to
the container. A claim does the same."""
DEMANDED_BY_QUOTAS = ("limits.cpu", "limits.memory")
"""Where a quota bounds them, each container must have such a limit. The API server demands requests of CPU
and memory as well, which the sidecar has anyway, and nothing else: no ephemeral-storage."""
Texts = dict[str, dict[str, str]]
"""`requests` and `limits` of a container"""


def sidecar_resources(
    wishes: Resources, pod: Mapping[str, Any], facts: NamespaceFacts
) -> tuple[Texts, list[Problem]]:
    """Requests and limits, and why there are none that the API server would take.

    A CPU limit only if the author, the Guaranteed class, a quota or a LimitRange demands it. What another
    webhook or an autoscaler has written into a sidecar of an earlier pass stays, if the API server takes it.
    """
    amounts = PodAmounts(pod, facts.limit_ranges)
    present = _present(pod)
    result: Texts = {"requests": {}, "limits": {}}
    foreign = foreign_demands(facts.limit_ranges, AMOUNTS)
    fix = f"change it, or set {names.INJECT} to false"
    problems = [Problem(Reason.RESOURCES_DO_NOT_FIT, sentence, fix) for sentence in foreign]
    for resource in AMOUNTS:
        rules = demanded(resource, amounts, facts.limit_ranges, facts.quotas)
        chooser = Chooser(resource, wishes, amounts, rules)
        amount = chooser.choose()
        if isinstance(amount, Misfit):
            problems.append(chooser.problem(amount))
            continue
        texts = {"requests": chooser.text(amount.request, 0), "limits": chooser.text(amount.limit, 1)}
        merged = texts | {kind: values[resource] for kind, values in present.items() if resource in values}
        former = Amount(*(parse_quantity(str(merged[kind])) if merged[kind] else None for kind in result))
        chosen = texts if any(broken_rules(former, rules)) else merged
        for kind, text in chosen.items():
            if text:
                result[kind][resource] = text
    return {kind: texts for kind, texts in result.items() if texts}, problems


def _present(pod: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The amounts of a sidecar of an earlier pass."""
    sidecar = next((item for item in containers(pod) if item.get("name") == names.SIDECAR), {})
    resources = sidecar.get("resources") or {}
    return {
        kind: {name: str(text) for name, text in (resources.get(kind) or {}).items() if name in AMOUNTS}
        for kind in ("requests", "limits")
    }

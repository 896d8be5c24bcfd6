"""The rules that the sidecar's request and limit of one resource have to keep, each with its source. Pure.

`demanded` are the rules that the API server enforces: LimitRanges, quotas, and resources of the Pod itself
(KEP-2837). Where they are broken, it refuses the Pod with a message that does not mention the sidecar.
"""

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from webhook.pod.amounts import PodAmounts
from webhook.pod.limit_ranges import LimitRange
from webhook.pod.quantities import ceiling, floor, format_quantity
from webhook.pod.resource_fit import Bound, Ratio, Rules


def demanded(
    resource: str, amounts: PodAmounts, limit_ranges: Sequence[LimitRange], quotas: Collection[str]
) -> Rules:
    """What the API server demands. A quota asks nothing of the containers of a Pod with own resources."""
    rules = Rules() if amounts.has_own() else _of_quotas(resource, quotas)
    for limit_range in limit_ranges:
        rules += _of_container(resource, limit_range) + _of_pod(resource, limit_range, amounts)
    return rules + _of_pod_itself(resource, amounts)


def foreign_demands(limit_ranges: Sequence[LimitRange], known: Collection[str]) -> Iterator[str]:
    """Devices and huge pages that each container must have: the sidecar takes none."""
    for limit_range in limit_ranges:
        limits = limit_range.container
        least = {name for name, number in limits.minimum.items() if number}
        for name in sorted((least | limits.maximum.keys() | limits.ratio.keys()) - set(known)):
            yield f"{_title(limit_range)} demands {name} of each container, and the sidecar takes none"


def _of_quotas(resource: str, quotas: Collection[str]) -> Rules:
    """Where a quota bounds the limits, each container needs one (`Constraints` of the Pod evaluator)."""
    if resource not in ("cpu", "memory") or f"limits.{resource}" not in quotas:
        return Rules()
    return Rules(limit_needed=("a ResourceQuota demands a limit of each container",))


def _of_container(resource: str, limit_range: LimitRange) -> Rules:
    limits, title, rules = limit_range.container, _title(limit_range), Rules()
    if (minimum := limits.minimum.get(resource)) is not None:
        sentence = f"{title} demands at least {format_quantity(resource, minimum)} of each container"
        least = (_least(resource, minimum, sentence),)
        rules += Rules(request_at_least=least, limit_at_least=least)
    if (maximum := limits.maximum.get(resource)) is not None:
        sentence = f"{title} allows each container at most {format_quantity(resource, maximum)}"
        rules += Rules(limit_at_most=(_most(resource, maximum, sentence),), limit_needed=(sentence,))
    if ratio := limits.ratio.get(resource):
        sentence = f"{title} allows a limit of at most {ratio.normalize():f} times the request"
        rules += Rules(ratios=(Ratio(ratio, sentence),), limit_needed=(sentence,))
    if resource in limits.default:
        # it would become the limit, also below the request
        sentence = f"{title} gives each container a limit"
        rules += Rules(limit_needed=(sentence,), offered_limits=(limits.default[resource],))
    if resource in limits.default_request:
        rules += Rules(request_needed=(f"{title} gives each container a request",))
    return rules


def _of_pod(resource: str, limit_range: LimitRange, amounts: PodAmounts) -> Rules:
    """The containers in all, the sidecar among them. What the Pod itself names counts instead."""
    limits, own, title, rules = limit_range.pod, amounts.own(resource), _title(limit_range), Rules()
    requests, in_all = amounts.total(resource, "requests"), amounts.total(resource, "limits")
    maximum, minimum = limits.maximum.get(resource), limits.minimum.get(resource)
    if maximum is not None:
        sentence = (
            f"{title} allows the Pod at most {format_quantity(resource, maximum)}, and its containers take "
        )
        if own.request is None:
            rules += Rules(request_at_most=(_room(resource, maximum, requests, sentence),))
        if own.limit is None:
            rules += Rules(limit_at_most=(_room(resource, maximum, in_all, sentence),))
    if minimum is not None and own.limit is None and in_all is None:
        number = format_quantity(resource, minimum)
        sentence = f"{title} demands that the Pod's limits are at least {number} in all"
        rules += Rules(limit_at_least=(_least(resource, minimum, sentence),))
    if (ratio := limits.ratio.get(resource)) and own.limit is None:
        sentence = f"{title} allows the Pod a limit of at most {ratio.normalize():f} times its request"
        taken = requests if own.request is None else own.request
        slack = ratio * (taken or 0) - (in_all or 0)
        if own.request is None:
            rules += Rules(ratios=(Ratio(ratio, sentence, slack),))
        else:
            rules += Rules(limit_at_most=(_most(resource, slack, sentence),))
    return rules


def _of_pod_itself(resource: str, amounts: PodAmounts) -> Rules:
    """Requests of the containers fit into the Pod's, and the limit of each into the Pod's."""
    own, rules = amounts.own(resource), Rules()
    requested = own.limit if own.request is None else own.request
    if requested is not None:
        number = format_quantity(resource, requested)
        sentence = f"the Pod itself (spec.resources) has {number}, its containers request "
        total = amounts.total(resource, "requests")
        rules += Rules(request_at_most=(_room(resource, requested, total, sentence),))
    if own.limit is not None:
        sentence = f"the Pod itself (spec.resources) has a limit of {format_quantity(resource, own.limit)}"
        rules += Rules(limit_at_most=(_most(resource, own.limit, sentence),))
    return rules


def _title(limit_range: LimitRange) -> str:
    return f"LimitRange {limit_range.name}"


def _room(resource: str, maximum: Decimal, taken: Decimal | None, sentence: str) -> Bound:
    """What the containers leave. The sentence ends with what they take."""
    number = taken or Decimal()
    return _most(resource, maximum - number, sentence + format_quantity(resource, number))


def _least(resource: str, number: Decimal, sentence: str) -> Bound:
    return Bound(ceiling(resource, number), sentence)


def _most(resource: str, number: Decimal, sentence: str) -> Bound:
    return Bound(floor(resource, number), sentence)

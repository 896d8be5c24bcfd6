"""The rules that the sidecar's request and limit of one resource have to keep, and who demands each. Pure.

`demanded` are the rules that the API server enforces: LimitRanges, quotas, and resources of the Pod itself
(KEP-2837). Where they are broken, it refuses the Pod with a message that does not mention the sidecar.
"""

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from webhook.pod.amounts import PodAmounts
from webhook.pod.limit_ranges import LimitRange
from webhook.pod.quantities import ceiling, floor, format_quantity
from webhook.pod.resource_fit import Bound, Ratio, Rules


class RuleBook:
    """Collects rules for one resource."""

    def __init__(self, resource: str) -> None:
        self._resource = resource
        self._request_at_least: list[Bound] = []
        self._request_at_most: list[Bound] = []
        self._limit_at_least: list[Bound] = []
        self._limit_at_most: list[Bound] = []
        self._ratios: list[Ratio] = []
        self._limit_needed: list[str] = []
        self._request_needed: list[str] = []
        self._offered_limits: list[Decimal] = []

    def rules(self) -> Rules:
        return Rules(
            tuple(self._request_at_least),
            tuple(self._request_at_most),
            tuple(self._limit_at_least),
            tuple(self._limit_at_most),
            tuple(self._ratios),
            tuple(self._limit_needed),
            tuple(self._request_needed),
            offered_limits=tuple(self._offered_limits),
        )

    def add_quotas(self, quotas: Collection[str]) -> None:
        """Where a quota bounds the limits, each container needs one (`Constraints` of the Pod evaluator)."""
        if self._resource in ("cpu", "memory") and f"limits.{self._resource}" in quotas:
            self._limit_needed.append("a ResourceQuota demands a limit of each container")

    def add_of_container(self, limit_range: LimitRange) -> None:
        limits, resource = limit_range.container, self._resource
        who = f"LimitRange {limit_range.name}"
        if (minimum := limits.minimum.get(resource)) is not None:
            bound = self._least(minimum, f"{who} demands at least {self._text(minimum)} of each container")
            self._request_at_least.append(bound)
            self._limit_at_least.append(bound)
        if (maximum := limits.maximum.get(resource)) is not None:
            sentence = f"{who} allows each container at most {self._text(maximum)}"
            self._limit_at_most.append(self._most(maximum, sentence))
            self._limit_needed.append(sentence)
        if ratio := limits.ratio.get(resource):
            sentence = f"{who} allows a limit of at most {ratio.normalize():f} times the request"
            self._ratios.append(Ratio(ratio, sentence))
            self._limit_needed.append(sentence)
        if resource in limits.default:
            # it would become the limit, also below the request
            self._limit_needed.append(f"{who} gives each container a limit")
            self._offered_limits.append(limits.default[resource])
        if resource in limits.default_request:
            self._request_needed.append(f"{who} gives each container a request")

    def add_of_pod(self, limit_range: LimitRange, amounts: PodAmounts) -> None:
        """The containers in all, the sidecar among them. What the Pod itself names counts instead."""
        limits, resource = limit_range.pod, self._resource
        own = amounts.own(resource)
        requests, in_all = amounts.total(resource, "requests"), amounts.total(resource, "limits")
        taken = requests if own.request is None else own.request
        who = f"LimitRange {limit_range.name}"
        maximum, minimum = limits.maximum.get(resource), limits.minimum.get(resource)
        if maximum is not None:
            sentence = f"{who} allows the Pod at most {self._text(maximum)}, and its containers take "
            if own.request is None:
                self._request_at_most.append(self._room(maximum, requests, sentence))
            if own.limit is None:
                self._limit_at_most.append(self._room(maximum, in_all, sentence))
        if minimum is not None and own.limit is None and in_all is None:
            sentence = f"{who} demands that the Pod's limits are at least {self._text(minimum)} in all"
            self._limit_at_least.append(self._least(minimum, sentence))
        if (ratio := limits.ratio.get(resource)) and own.limit is None:
            sentence = f"{who} allows the Pod a limit of at most {ratio.normalize():f} times its request"
            slack = ratio * (taken or 0) - (in_all or 0)
            if own.request is None:
                self._ratios.append(Ratio(ratio, sentence, slack))
            else:
                self._limit_at_most.append(self._most(slack, sentence))

    def add_of_pod_itself(self, amounts: PodAmounts) -> None:
        """Requests of the containers fit into the Pod's, and the limit of each into the Pod's."""
        own = amounts.own(self._resource)
        requested = own.limit if own.request is None else own.request
        if requested is not None:
            sentence = f"the Pod itself (spec.resources) has {self._text(requested)}, its containers request "
            total = amounts.total(self._resource, "requests")
            self._request_at_most.append(self._room(requested, total, sentence))
        if own.limit is not None:
            sentence = f"the Pod itself (spec.resources) has a limit of {self._text(own.limit)}"
            self._limit_at_most.append(self._most(own.limit, sentence))

    def _room(self, maximum: Decimal, taken: Decimal | None, sentence: str) -> Bound:
        """What the containers leave."""
        return self._most(maximum - (taken or 0), sentence + self._text(taken or Decimal()))

    def _least(self, number: Decimal, sentence: str) -> Bound:
        return Bound(ceiling(self._resource, number), sentence)

    def _most(self, number: Decimal, sentence: str) -> Bound:
        return Bound(floor(self._resource, number), sentence)

    def _text(self, number: Decimal) -> str:
        return format_quantity(self._resource, number)


def demanded(
    resource: str, amounts: PodAmounts, limit_ranges: Sequence[LimitRange], quotas: Collection[str]
) -> Rules:
    """What the API server demands. A quota asks nothing of the containers of a Pod with own resources."""
    book = RuleBook(resource)
    if not amounts.has_own():
        book.add_quotas(quotas)
    for limit_range in limit_ranges:
        book.add_of_container(limit_range)
        book.add_of_pod(limit_range, amounts)
    book.add_of_pod_itself(amounts)
    return book.rules()


def foreign_demands(limit_ranges: Sequence[LimitRange], known: Collection[str]) -> Iterator[str]:
    """Devices and huge pages that each container must have: the sidecar takes none."""
    for limit_range in limit_ranges:
        limits = limit_range.container
        least = {name for name, number in limits.minimum.items() if number}
        for name in sorted((least | limits.maximum.keys() | limits.ratio.keys()) - set(known)):
            who = f"LimitRange {limit_range.name}"
            yield f"{who} demands {name} of each container, and the sidecar takes none"

"""Request and limit of one resource: the nearest to what is preferred that keeps all rules. Pure.

The rules come from LimitRanges, quotas, the Pod and its author (`resource_rules`). Nearly always the
preferred amounts keep them. Else few amounts can be the answer: the bounds, and what a ratio makes of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal

from webhook.pod.amounts import Amount
from webhook.pod.quantities import ceiling, floor

RATIOS_LIMIT = 16
"""Arbitrary. A namespace has a LimitRange or two, and each has a ratio for containers and for the Pod."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A number, and who demands it."""

    number: Decimal
    sentence: str
    """`LimitRange bounds demands a request of at least 100m of a container`"""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A limit of at most `number` times the request."""

    number: Decimal
    sentence: str
    slack: Decimal | None = None
    """By how much a limit may exceed that, for what other containers leave. None: the ratio is a container's,
    and needs both a request and a limit"""

    def most(self, request: Decimal) -> Decimal:
        return self.number * request + (self.slack or 0)

    def is_broken(self, request: Decimal | None, limit: Decimal | None) -> bool:
        if self.slack is None and not (request and limit):
            return True
        return limit is not None and limit > self.most(request or Decimal())


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules for one resource. Bounds of a limit count only where there is one."""

    request_at_least: tuple[Bound, ...] = ()
    request_at_most: tuple[Bound, ...] = ()
    limit_at_least: tuple[Bound, ...] = ()
    limit_at_most: tuple[Bound, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    limit_needed: tuple[str, ...] = ()
    """The sentences of those who need a limit"""
    request_needed: tuple[str, ...] = ()
    request_is_limit: tuple[str, ...] = ()
    """The sentences of those who need both equal"""
    offered_limits: tuple[Decimal, ...] = ()
    """Defaults of others for a limit, which bind nobody"""

    def __add__(self, other: "Rules") -> "Rules":
        """The rules of both, in their order."""
        return Rules(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Misfit:
    """There are no such amounts."""

    sentences: tuple[str, ...]
    """Of the rules that cannot be kept together"""


def fit(resource: str, preferred: Amount, rules: Rules) -> Amount | Misfit:
    """The first amounts that keep all rules, in order of their distance from the preferred amounts."""
    tight = _tightest(rules)
    amount = _search(resource, preferred, tight)
    return Misfit(_conflict(resource, preferred, tight)) if amount is None else amount


def _search(resource: str, preferred: Amount, rules: Rules) -> Amount | None:
    for request in _requests(resource, preferred, rules):
        for limit in _limits(resource, preferred, rules, request):
            amount = Amount(request, limit)
            if not any(broken_rules(amount, rules)):
                return amount
    return None


def _conflict(resource: str, preferred: Amount, rules: Rules) -> tuple[str, ...]:
    """The sentences of the rules that cannot be kept together: without any one of these, the rest can be."""
    for kind in (field.name for field in fields(Rules)):
        without = replace(rules, **{kind: ()})
        if _search(resource, preferred, without) is None:
            rules = without
    bounds = (*rules.request_at_least, *rules.request_at_most, *rules.limit_at_least, *rules.limit_at_most)
    sentences = [bound.sentence for bound in bounds] + [ratio.sentence for ratio in rules.ratios]
    sentences += [*rules.limit_needed, *rules.request_needed, *rules.request_is_limit]
    return tuple(dict.fromkeys(sentences))


def broken_rules(amount: Amount, rules: Rules) -> Iterator[str]:
    """The sentence of each rule that the amounts break."""
    limit = amount.limit
    # the API server takes the limit for the request where there is none
    request = limit if amount.request is None else amount.request
    for bound in rules.request_at_least:
        if request is None or request < bound.number:
            yield bound.sentence
    for bound in rules.request_at_most:
        if request is not None and request > bound.number:
            yield bound.sentence
    for bound in rules.limit_at_least:
        if limit is not None and limit < bound.number:
            yield bound.sentence
    for bound in rules.limit_at_most:
        if limit is not None and limit > bound.number:
            yield bound.sentence
    for ratio in rules.ratios:
        if ratio.is_broken(request, limit):
            yield ratio.sentence
    yield from rules.limit_needed if limit is None else ()
    yield from rules.request_needed if request is None else ()
    if request is not None and limit is not None and request > limit:
        yield "a request is at most its limit"
    yield from rules.request_is_limit if request != limit or not limit else ()


def _tightest(rules: Rules) -> Rules:
    """One bound of each kind: the others hold with it."""
    return Rules(
        request_at_least=_extreme(rules.request_at_least, -1),
        request_at_most=_extreme(rules.request_at_most, 1),
        limit_at_least=_extreme(rules.limit_at_least, -1),
        limit_at_most=_extreme(rules.limit_at_most, 1),
        ratios=rules.ratios[:RATIOS_LIMIT],
        limit_needed=rules.limit_needed[:1],
        request_needed=rules.request_needed[:1],
        request_is_limit=rules.request_is_limit[:1],
    )


def _extreme(bounds: Sequence[Bound], sign: int) -> tuple[Bound, ...]:
    return (min(bounds, key=lambda bound: sign * bound.number),) if bounds else ()


def _requests(resource: str, preferred: Amount, rules: Rules) -> list[Decimal | None]:
    bounds = [*rules.request_at_least, *rules.request_at_most, *rules.limit_at_least, *rules.limit_at_most]
    numbers = {bound.number for bound in bounds}
    limits = [*numbers, *([preferred.limit] if preferred.limit else [])]
    for ratio in rules.ratios:
        slack = ratio.slack or Decimal()
        numbers |= {ceiling(resource, (limit - slack) / ratio.number) for limit in limits}
    return _nearest(preferred.request, numbers)


def _limits(resource: str, preferred: Amount, rules: Rules, request: Decimal | None) -> list[Decimal | None]:
    numbers = {bound.number for bound in (*rules.limit_at_least, *rules.limit_at_most)}
    if request is not None:
        numbers |= {request, *(floor(resource, ratio.most(request)) for ratio in rules.ratios)}
    return _nearest(preferred.limit, numbers)


def _nearest(preferred: Decimal | None, numbers: set[Decimal]) -> list[Decimal | None]:
    """The preferred number first. A preference for none goes to the smallest, a number at last to none."""
    amounts = sorted(number for number in numbers if number >= 0)
    if preferred is None:
        return [None, *amounts]
    return [preferred, *sorted(amounts, key=lambda number: abs(number - preferred)), None]

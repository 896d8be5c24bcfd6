"""Request and limit of one resource: defaults, the author's wishes, the class of the Pod. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from webhook import names
from webhook.errors import Problem
from webhook.pod.amounts import Amount, PodAmounts, first
from webhook.pod.quantities import format_quantity, parse_quantity
from webhook.pod.reasons import Reason
from webhook.pod.request import Resources
from webhook.pod.resource_fit import Bound, Misfit, Rules, broken_rules, fit
from webhook.pod.service_class import decides_limit, decides_request, is_guaranteed

_MEBI = Decimal(2**20)
CPU_REQUEST = Decimal("0.010")
MEMORY_REQUEST = 32 * _MEBI
"""The sidecar holds 17 MiB at rest."""
MEMORY_LIMIT = 128 * _MEBI
"""Bodies are streamed, so this is room for threads and buffers at their limits. It also keeps a leak off the
node."""
MEMORY_NEED = 48 * _MEBI
"""No lower limit without a word of the author: twice the peak of an install (docs/performance.md)"""
GUARANTEED_CPU = Decimal("0.100")
"""Guaranteed demands a CPU limit equal to the request. At 10m a download would be throttled to a crawl."""
CPU_LIMIT = Decimal("0.500")
"""At most, where a quota or a LimitRange wants a limit of each container. Half a core serves 400 MiB/s."""
EPHEMERAL_STORAGE = 16 * _MEBI
"""Where it is bounded. The files lie in memory; the log of a Pod's life takes disk."""


_ANNOTATIONS = {
    "cpu": (names.CPU_REQUEST, names.CPU_LIMIT),
    "memory": (names.MEMORY_REQUEST, names.MEMORY_LIMIT),
}
_ORDINARY = {
    "cpu": Amount(CPU_REQUEST),
    "memory": Amount(MEMORY_REQUEST, MEMORY_LIMIT),
    "ephemeral-storage": Amount(),
}
_GUARANTEED = {"cpu": GUARANTEED_CPU, "memory": MEMORY_LIMIT}


@dataclass(frozen=True, slots=True)
class _Need:
    """A bound of the limit."""

    bound: Bound
    is_upper: bool = False
    is_vital: bool = False
    """Else it is only a preference."""


_NEEDS = {
    "cpu": _Need(Bound(GUARANTEED_CPU, "the sidecar is slow below")),
    "memory": _Need(
        Bound(MEMORY_NEED, f"the sidecar needs {format_quantity('memory', MEMORY_NEED)}"), is_vital=True
    ),
}
_NEUTRAL = Amount(Decimal(), Decimal())
"""Amounts that change no sum. A limit of 0 limits nothing; the Pod's own limit does."""


class Chooser:
    """Chooses request and limit of one resource."""

    def __init__(self, resource: str, wishes: Resources, amounts: PodAmounts, rules: Rules) -> None:
        self._resource = resource
        self._wishes: tuple[str | None, str | None] = {
            "cpu": (wishes.cpu_request, wishes.cpu_limit),
            "memory": (wishes.memory_request, wishes.memory_limit),
        }.get(resource, (None, None))
        self._amounts = amounts
        self._rules = rules

    def choose(self) -> Amount | Misfit:
        if decides_request(self._amounts, self._resource):
            if self._wishes == (None, None):
                return Amount()
            sentence = (
                f"the Pod itself (spec.resources) limits its {self._resource}, and requests as much, for "
                "no container requests any; an amount of the sidecar would become the Pod's request"
            )
            return Misfit((sentence, *self._wish_sentences()))
        request, limit = map(_number, self._wishes)
        is_exact = self._is_exact()
        rules = self._with_own_rules(request, limit, is_exact)
        if decides_limit(self._amounts, self._resource) and not any(broken_rules(_NEUTRAL, rules)):
            return _NEUTRAL
        preferred = self._preferred(request, limit, is_exact)
        needs = self._needs() if self._wishes == (None, None) else []
        for chosen in (needs, [need for need in needs if need.is_vital]):
            amount = fit(self._resource, preferred, _with_needs(rules, chosen))
            if isinstance(amount, Amount):
                break
        return amount

    def _needs(self) -> list[_Need]:
        """What the author alone may overrule."""
        needs = [_NEEDS[self._resource]] if self._resource in _NEEDS else []
        if decides_limit(self._amounts, self._resource):
            own, total = self._amounts.own(self._resource), self._amounts.total(self._resource, "limits")
            room = max((own.request or Decimal()) - (total or Decimal()), Decimal())
            sentence = f"the Pod's own request (spec.resources) leaves {self._quantity(room)} to its limit"
            needs.append(_Need(Bound(room, sentence), is_upper=True, is_vital=is_guaranteed(self._amounts)))
        return needs

    def _quantity(self, number: Decimal) -> str:
        return format_quantity(self._resource, number)

    def problem(self, misfit: Misfit) -> Problem:
        """Which rules cannot be kept together, and what helps."""
        wished = [sentence for sentence in self._wish_sentences() if sentence in misfit.sentences]
        if wished:
            fix = "change or remove the annotation"
        elif _NEEDS["memory"].bound.sentence in misfit.sentences:
            fix = f"change the other, or let the sidecar try with less by {names.MEMORY_LIMIT}"
        else:
            fix = f"change one of them, or set {names.INJECT} to false"
        sentences = ", and ".join(misfit.sentences)
        what = f"the sidecar's {self._resource} cannot keep all rules: {sentences}"
        return Problem(Reason.RESOURCES_DO_NOT_FIT, what, fix)

    def text(self, number: Decimal | None, position: int) -> str | None:
        """The author's own text, if it says the same."""
        wish = self._wishes[position]
        if number is None:
            return None
        return wish if wish and parse_quantity(wish) == number else format_quantity(self._resource, number)

    def _is_exact(self) -> bool:
        """Whether a request that is not the limit would end the class Guaranteed."""
        is_of_containers = self._resource in _GUARANTEED and self._amounts.own(self._resource) == Amount()
        return is_of_containers and is_guaranteed(self._amounts)

    def _preferred(self, request: Decimal | None, limit: Decimal | None, is_exact: bool) -> Amount:
        if is_exact:
            amount = limit or request or _GUARANTEED[self._resource]
            return Amount(request or amount, limit or amount)
        ordinary = _ORDINARY[self._resource]
        if self._amounts.own(self._resource) != Amount() and not self._rules.ratios:
            ordinary = replace(ordinary, request=Decimal())  # the Pod has requests of its own
        return Amount(
            first(request, ordinary.request, self._needed_request()),
            first(limit, ordinary.limit, self._needed_limit()),
        )

    def _needed_request(self) -> Decimal | None:
        return EPHEMERAL_STORAGE if self._rules.request_needed else None

    def _needed_limit(self) -> Decimal | None:
        """Of a resource without a limit of ours. A namespace's default for CPU may suit larger containers."""
        if not self._rules.limit_needed:
            return None
        offered = min(self._rules.offered_limits, default=None)
        if self._resource == "cpu":
            return min(CPU_LIMIT, CPU_LIMIT if offered is None else offered)
        return EPHEMERAL_STORAGE if offered is None else offered

    def _with_own_rules(self, request: Decimal | None, limit: Decimal | None, is_exact: bool) -> Rules:
        """The author's wishes, the class of the Pod, and what the sidecar needs to live."""
        rules = self._rules
        of_request, of_limit = (
            (Bound(number, sentence),) if number is not None else ()
            for number, sentence in zip((request, limit), self._sentences(), strict=True)
        )
        if is_exact and (request is None or limit is None or request == limit):
            sentence = "the Pod is of class Guaranteed, which wants a request and an equal limit"
            rules += Rules(request_is_limit=(sentence,))
        return rules + Rules(
            request_at_least=of_request,
            request_at_most=of_request,
            limit_at_least=of_limit,
            limit_at_most=of_limit,
            limit_needed=tuple(bound.sentence for bound in of_limit),
        )

    def _sentences(self) -> tuple[str, str]:
        request, limit = _ANNOTATIONS.get(self._resource, ("", ""))
        return f"annotation {request} is {self._wishes[0]}", f"annotation {limit} is {self._wishes[1]}"

    def _wish_sentences(self) -> list[str]:
        return [text for text, wish in zip(self._sentences(), self._wishes, strict=True) if wish]


def _with_needs(rules: Rules, needs: Sequence[_Need]) -> Rules:
    upper = tuple(need.bound for need in needs if need.is_upper)
    lower = tuple(need.bound for need in needs if not need.is_upper)
    return rules + Rules(limit_at_least=lower, limit_at_most=upper)


def _number(text: str | None) -> Decimal | None:
    return parse_quantity(text) if text else None

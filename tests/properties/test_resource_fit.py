"""The sidecar's request and limit: if any amounts keep all rules, then such amounts are found."""

from decimal import Decimal
from itertools import product

from hypothesis import assume, given
from hypothesis import strategies as st

from webhook.pod.amounts import Amount
from webhook.pod.quantities import ceiling, floor, format_quantity, parse_quantity
from webhook.pod.resource_fit import Bound, Misfit, Ratio, Rules, broken_rules, fit

NUMBERS = st.integers(0, 12).map(Decimal)
GRID = [None, *(Decimal(half) / 2 for half in range(50))]


def bounds(
    who: str, lowest: Decimal | None = None, highest: Decimal | None = None
) -> st.SearchStrategy[tuple[Bound, ...]]:
    numbers = st.integers(int(lowest or 0), 12 if highest is None else int(highest)).map(Decimal)
    return st.lists(numbers.map(lambda number: Bound(number, f"{who} {number}")), max_size=2).map(tuple)


def ratios() -> st.SearchStrategy[tuple[Ratio, ...]]:
    slack = st.none() | st.integers(-4, 8).map(Decimal)
    one = st.builds(Ratio, st.sampled_from([Decimal(1), Decimal("1.5"), Decimal(3)]), st.just("ratio"), slack)
    return st.lists(one, max_size=1).map(tuple)


def sentences(sentence: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sampled_from([(), (), (sentence,)])


RULES = st.builds(
    Rules,
    request_at_least=bounds("request at least"),
    request_at_most=bounds("request at most"),
    limit_at_least=bounds("limit at least"),
    limit_at_most=bounds("limit at most"),
    ratios=ratios(),
    limit_needed=sentences("limit needed"),
    request_needed=sentences("request needed"),
    request_is_limit=sentences("request is limit"),
)
PREFERRED = st.builds(Amount, st.none() | NUMBERS, st.none() | NUMBERS)


@given(PREFERRED, RULES)
def test_amounts_that_keep_all_rules_are_found_if_there_are_any(preferred: Amount, rules: Rules) -> None:
    """Where a rule needs a request or a limit, the caller prefers one, and none of zero."""
    needs_both = rules.request_is_limit or any(ratio.slack is None for ratio in rules.ratios)
    assume(preferred.request or not (needs_both or rules.request_needed))
    assume(preferred.limit or not (needs_both or rules.limit_needed))
    amount = fit("cpu", preferred, rules)
    if isinstance(amount, Misfit):
        kept = [
            (request, limit)
            for request, limit in product(GRID, GRID)
            if not any(broken_rules(Amount(request, limit), rules))
        ]
        assert kept == []
        assert amount.sentences
    else:
        assert not any(broken_rules(amount, rules))


@st.composite
def amounts_and_rules_that_they_keep(draw: st.DrawFn) -> tuple[Amount, Rules]:
    limit = draw(st.none() | NUMBERS)
    own_request = draw(st.none() | NUMBERS.filter(lambda number: limit is None or number <= limit))
    request = limit if own_request is None else own_request
    rules = Rules(
        request_at_least=() if request is None else draw(bounds("at least", highest=request)),
        request_at_most=draw(bounds("at most", lowest=request)),
        limit_at_least=draw(bounds("at least", highest=limit)),
        limit_at_most=draw(bounds("at most", lowest=limit)),
        ratios=draw(ratios().map(lambda some: tuple(it for it in some if not it.is_broken(request, limit)))),
        limit_needed=() if limit is None else draw(sentences("limit needed")),
        request_needed=() if request is None else draw(sentences("request needed")),
        request_is_limit=draw(sentences("request is limit")) if limit and request == limit else (),
    )
    return Amount(own_request, limit), rules


@given(amounts_and_rules_that_they_keep())
def test_what_keeps_all_rules_already_stays(case: tuple[Amount, Rules]) -> None:
    preferred, rules = case
    assert not any(broken_rules(preferred, rules))
    assert fit("cpu", preferred, rules) == preferred


TEXTS = st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,9})?([numkMGTPE]|[KMGTPE]i|e-?[0-9]{1,2})?", fullmatch=True)


@given(st.sampled_from(["cpu", "memory"]), TEXTS)
def test_a_number_that_the_api_can_hold_is_written_as_it_is(resource: str, text: str) -> None:
    number = parse_quantity(text)
    assert number is not None
    low, high = floor(resource, number), ceiling(resource, number)
    assert low <= number <= high
    assert high - low in (0, Decimal("0.001") if resource == "cpu" else 1)
    if high < Decimal(10) ** 15:
        assert parse_quantity(format_quantity(resource, high)) == high


@given(RULES, RULES, PREFERRED)
def test_a_sum_of_rules_holds_the_rules_of_both(one: Rules, other: Rules, amount: Amount) -> None:
    both = set(broken_rules(amount, one)) | set(broken_rules(amount, other))
    assert set(broken_rules(amount, one + other)) == both
    assert one + Rules() == one == Rules() + one

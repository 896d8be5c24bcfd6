"""What the benchmark says of its aims follows from the figures."""

import pytest

from benchmarks.aims import AIMS, Aim
from benchmarks.report import ROWS
from benchmarks.rounds import Samples, interval, ratios

MOST = Aim("a figure", "seconds", 1.5, "nginx")
LEAST = Aim("a figure", "seconds", 1.5, "nginx", is_least=True)


def rounds(*pairs: tuple[float, float]) -> Samples:
    """Sidecar and nginx, a pair for each round."""
    return {
        "sidecar": [{"seconds": one} for one, _ in pairs],
        "nginx": [{"seconds": other} for _, other in pairs],
    }


@pytest.mark.parametrize(
    ("aim", "values", "verdict"),
    [
        (MOST, (1.2, 1.3, 1.4), "met"),
        (MOST, (1.5, 1.5, 1.5), "met"),
        (MOST, (1.2, 1.3, 1.6), "met, not settled"),
        (MOST, (1.4, 1.6, 1.7), "not met, not settled"),
        (MOST, (1.6, 1.7, 1.8), "not met"),
        (LEAST, (1.6, 1.7, 1.8), "met"),
        (LEAST, (1.2, 1.3, 1.6), "not met, not settled"),
    ],
)
def test_an_aim_is_judged_by_the_median_and_settled_by_the_interval(
    aim: Aim, values: tuple[float, ...], verdict: str
) -> None:
    reached = aim.reached(rounds(*((value, 1.0) for value in values)))
    assert reached is not None
    assert aim.verdict(reached) == verdict


def test_a_ratio_is_taken_within_a_round() -> None:
    """A round in which the machine was slow for everybody changes nothing."""
    assert ratios(rounds((1, 2), (10, 20), (3, 6)), "sidecar", "nginx", "seconds") == [0.5, 0.5, 0.5]


def test_a_figure_that_was_not_taken_has_no_verdict() -> None:
    assert MOST.reached({"sidecar": [{"other": 1.0}], "nginx": [{"other": 1.0}]}) is None


def test_one_bad_round_of_nine_moves_no_border() -> None:
    values = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 99.0]
    assert interval(values) == (1.4, 1.1, 1.7)


def test_eight_rounds_cannot_leave_one_out() -> None:
    """Of 256 outcomes, 9 have at most one value on a side: 3.5 %, more than half of 5 %."""
    values = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 99.0]
    assert interval(values)[1:] == (1.0, 99.0)


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], [2.0, 1.0, 3.0]])
def test_few_values_have_their_lowest_and_highest(values: list[float]) -> None:
    assert interval(values)[1:] == (min(values), max(values))


def test_each_aim_is_of_a_figure_in_the_table() -> None:
    """A misspelt one would never be said to be missed."""
    assert {aim.metric for aim in AIMS} <= {row.metric for row in ROWS}

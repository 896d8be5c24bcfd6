"""`Problems`: every problem of an input is reported, with its subject, in order."""

import pytest

from webhook.errors import InputError, InvalidSecret, InvalidValue, Problem
from webhook.problems import Problems


def number(text: str) -> int:
    if not text.isdigit():
        raise InvalidValue(f"must be a number, not {text!r}", "write digits")
    return int(text)


def test_a_problem_is_a_fault_and_its_fix() -> None:
    problem = Problem("InvalidPort", "port is 0", "take another")
    assert problem.message == "port is 0: take another"
    assert Problem("InvalidPort", "port is 0").message == "port is 0"


def test_no_code_has_to_cut_a_sentence_for_the_fault_alone() -> None:
    problem = Problem("InvalidPort", "container a:b has port 0", "take another: 8080")
    assert problem.what == "container a:b has port 0"


def test_all_problems_are_raised_together_each_with_its_subject() -> None:
    problems = Problems("Connector team/pypi:")
    problems.add("First", "a is wrong", "correct it")
    assert problems.read(number, "x", place="b", reason="Second", default=7) == 7
    assert problems.read(number, "3", place="c", reason="Third", default=7) == 3
    with problems.collecting():
        raise InvalidSecret.of("Fourth", "a Secret is wrong")
    with pytest.raises(InputError) as raised:
        problems.raise_any()
    assert [problem.reason for problem in raised.value.problems] == ["First", "Second", "Fourth"]
    assert [problem.message for problem in raised.value.problems] == [
        "Connector team/pypi: a is wrong: correct it",
        "Connector team/pypi: b must be a number, not 'x': write digits",
        "a Secret is wrong",
    ]


def test_without_a_problem_nothing_is_raised() -> None:
    problems = Problems("annotation")
    with problems.collecting():
        pass
    problems.raise_any()
    assert not problems
    assert list(problems) == []


def test_the_error_is_of_the_kind_that_the_caller_names() -> None:
    problems = Problems()
    problems.add("First", "a is wrong")
    with pytest.raises(InvalidSecret, match="a is wrong"):
        problems.raise_any(InvalidSecret)


def test_an_unforeseen_error_is_no_problem_of_the_input() -> None:
    problems = Problems()
    with pytest.raises(ZeroDivisionError):
        problems.read(lambda _: 1 // 0, "x", place="a", reason="First", default=0)
    with pytest.raises(ValueError, match="invalid literal"):
        problems.read(int, "x", place="a", reason="First", default=0)
    assert not problems

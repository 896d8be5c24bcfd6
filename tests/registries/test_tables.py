"""README's table of registries and docs/registries.md say what `kinds/` holds."""

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from support.checkout import ROOT
from support.registries.kinds import FOLDER, Kind, kinds

RULES = range(1, 21)


def row(kind: Kind) -> str:
    mark = "real server" if kind.real else "shape only"
    return f"| {kind.title} | {kind.example} | {kind.auth} | {kind.special} | {mark} |"


@pytest.mark.parametrize("name", kinds())
def test_readme_has_a_row_for_each_kind(name: str) -> None:
    assert row(kinds()[name]) in (ROOT / "README.md").read_text().splitlines()


def test_readme_has_no_other_rows() -> None:
    section = (ROOT / "README.md").read_text().partition("\n## Registries\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert set(rows[1:]) == {row(kind) for kind in kinds().values()}


@pytest.mark.parametrize("name", kinds())
def test_each_kind_says_where_its_shape_was_read(name: str) -> None:
    kind = kinds()[name]
    assert kind.source
    assert kind.real is None or is_test(kind.real)


@pytest.mark.parametrize("name", kinds())
def test_no_answer_of_a_kind_stands_behind_one_that_is_given_in_its_place(name: str) -> None:
    """It would never be played, and nobody would notice."""
    answers = kinds()[name].answers
    for place, one in enumerate(answers):
        before = [other for other in answers[:place] if other.origin == one.origin]
        taken = {method for other in before if fnmatchcase(one.path, other.path) for method in other.methods}
        assert set(one.methods) - taken, one


@pytest.mark.parametrize("name", kinds())
def test_every_file_of_a_kind_is_a_page_of_it(name: str) -> None:
    pages = {file for one in kinds()[name].answers for file in one.page.values()}
    assert {path.name for path in (FOLDER / name).iterdir()} == pages | {"kind.yaml"}


def test_every_test_that_the_pages_name_is_there() -> None:
    for page in ("README.md", "docs/registries.md"):
        named = re.findall(r"`(tests/[^`]*\.py(?:::\w+)?)`", (ROOT / page).read_text())
        assert [one for one in named if not is_test(one)] == []


def is_test(named: str) -> bool:
    """Whether it is a module with tests, or one of them: `path::name`."""
    path, _, function = named.partition("::")
    if not (ROOT / path).is_file():
        return False
    tree = ast.parse((ROOT / path).read_text())
    found = {
        one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
    }
    return function in found if function else bool(found)


def test_every_rule_has_a_row_and_a_test_that_names_it() -> None:
    page = (ROOT / "docs" / "registries.md").read_text()
    rows = re.findall(r"^\| ([0-9]+) \|.*\| (.*) \|$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(RULES)
    assert all("tests/" in tests for _, tests in rows)
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    sentences = re.findall(r'"""Rules? ([^:.;]*)', text)
    assert {int(one) for sentence in sentences for one in re.findall(r"[0-9]+", sentence)} == set(RULES)

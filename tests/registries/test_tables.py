"""README's table of registries and docs/registries.md say what `kinds/` holds."""

import re
from pathlib import Path

import pytest
from kinds import Kind, kinds

ROOT = Path(__file__).resolve().parents[2]
RULES = range(1, 18)


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
    assert kind.real is None or (ROOT / kind.real).is_file()


def test_every_rule_has_a_row_and_a_test_that_names_it() -> None:
    page = (ROOT / "docs" / "registries.md").read_text()
    rows = re.findall(r"^\| ([0-9]+) \|.*\| (.*) \|$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(RULES)
    assert all("tests/" in tests for _, tests in rows)
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    sentences = re.findall(r'"""Rules? ([^:.;]*)', text)
    assert {int(one) for sentence in sentences for one in re.findall(r"[0-9]+", sentence)} == set(RULES)

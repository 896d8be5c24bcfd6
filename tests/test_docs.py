"""What the pages say of tests is true: every one that they name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("threat-model.md", "guards.md", "registries.md")
NAMED = re.compile(r"tests/[\w/]+\.py(?:::\w+)?")


def missing(text: str) -> list[str]:
    """The names of tests in a page for which there is no file, or no function in it."""
    return [name for name in NAMED.findall(text) if not exists(*name.partition("::")[::2])]


def exists(file: str, function: str) -> bool:
    path = ROOT / file
    if not path.is_file():
        return False
    return not function or re.search(rf"^def {function}\(", path.read_text(), re.MULTILINE) is not None


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    assert missing((ROOT / "docs" / page).read_text()) == []


def test_the_threat_model_names_many() -> None:
    assert len(set(NAMED.findall((ROOT / "docs" / "threat-model.md").read_text()))) > 40


def test_one_that_does_not_exist_is_found() -> None:
    text = "`tests/test_docs.py::test_nothing`, `tests/test_nowhere.py`, `tests/test_docs.py`"
    assert missing(text) == ["tests/test_docs.py::test_nothing", "tests/test_nowhere.py"]


def test_every_attack_on_the_node_is_in_the_threat_model() -> None:
    """Or in its paragraphs; those without a row of their own are named here."""
    page = (ROOT / "docs" / "threat-model.md").read_text()
    controls = {"test_he_may_do_with_his_own_containers_as_he_likes"}
    attacks = (ROOT / "tests" / "e2e" / "attacks").glob("test_*.py")
    found = {name for path in attacks for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.M)}
    assert {name for name in found if name not in page} == controls


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_link_between_the_pages_leads_to_a_file(page: str) -> None:
    path = ROOT / "docs" / page
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []

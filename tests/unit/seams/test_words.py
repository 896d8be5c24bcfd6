"""The sidecar's log messages and codes stand in `sidecar.contract.words`, and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.contract import words
from sidecar.contract.words import Code, Line
from support.checkout import ROOT
from webhook.grant.notices import message_of, text_of

CLASSES = {"Refusal": 1, "Answer": 1, "Failed": 0}
"""Whose argument of this position is a code"""


def values(words_of: type) -> list[str]:
    return [value for name, value in vars(words_of).items() if name.isupper()]


def modules() -> list[Path]:
    return [path for folder in ("sidecar", "webhook") for path in sorted((ROOT / folder).rglob("*.py"))]


def literals(text: str) -> Iterator[str]:
    """Texts of a module, without docstrings."""
    for node in ast.walk(ast.parse(text)):
        children = [child for child in ast.iter_child_nodes(node) if not isinstance(node, ast.Expr)]
        for child in children:
            if isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield child.value


def written_by_hand(text: str) -> list[str]:
    """Messages given to the sidecar's log, and codes given to an answer, that are literals."""
    found = []
    for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        position = 1 if name == "write" and len(call.args) > 1 else CLASSES.get(name)
        if position is not None and len(call.args) > position:
            found += [node.value for node in ast.walk(call.args[position]) if isinstance(node, ast.Constant)]
    return found


@pytest.mark.parametrize("words_of", [Line, Code])
def test_each_word_is_there_once(words_of: type) -> None:
    assert len(set(values(words_of))) == len(values(words_of)) > 8


def test_codes_look_unlike_the_brokers_reasons() -> None:
    assert [code for code in values(Code) if not code.islower() or " " in code] == []


def test_no_module_of_the_sidecar_writes_a_message_or_a_code_by_hand() -> None:
    texts = {
        path.relative_to(ROOT): path.read_text()
        for path in modules()
        if path.relative_to(ROOT).parts[0] == "sidecar"
    }
    assert len(texts) > 30
    assert {str(path): written_by_hand(text) for path, text in texts.items() if written_by_hand(text)} == {}


@pytest.mark.parametrize(
    "text",
    ['log.write("info", "listening")', 'Refusal(503, "too-busy", "x")', 'Answer(503, a if b else "x", "y")'],
)
def test_a_word_that_is_written_by_hand_is_noticed(text: str) -> None:
    assert written_by_hand(text)


def test_no_other_module_retypes_a_code_or_a_prefix() -> None:
    typed = {*values(Code), words.NO_GRANT, words.NO_GRANT_YET} - {Code.REDIRECT}  # an action of routes, too
    own = ROOT / "sidecar" / "contract" / "words.py"
    found = {path: typed & set(literals(path.read_text())) for path in modules() if path != own}
    assert {str(path.relative_to(ROOT)): codes for path, codes in found.items() if codes} == {}


def test_explain_gets_back_the_text_that_went_into_an_events_message() -> None:
    assert (
        text_of("team/pypi", message_of("team/pypi", "no: Connector team/pypi: x"))
        == "no: Connector team/pypi: x"
    )
    assert text_of("team/pypi", "written by somebody else") == "written by somebody else"

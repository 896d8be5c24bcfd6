"""Foreign text on a reader's terminal: the terminal shows it, and never obeys it."""

import io
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import yaml

from support.clients.command_line import CONNECTOR, GOOD, POD, call
from webhook.command.local_proxy import _Watcher
from webhook.console import Console
from webhook.explain.command import print_explanation
from webhook.explain.explanation import Explanation
from webhook.explain.statements import Statement
from webhook.plain_text import plain

HIDDEN = ("Cc", "Cf", "Zl", "Zp", "Cs", "Co")
ATTACKS = {
    "a title": "\x1b]0;owned\x07",
    "a single byte": "\x9b31m",
    "a colour": "\x1b[8m",
    "a carriage return": "bad\rgood",
    "a turn": "\u202egpj.exe",
    "an isolate": "\u2066x\u2069",
    "nothing to see": "a\u200bb\ufeff\u00ad",
    "a tag": "\U000e0041",
    "a line": "a\u2028b\u2029c\x85d\x0be",
    "a private character": "\ue000\U0010fffd",
}
TEXT = "".join(ATTACKS.values())


def hidden(text: str) -> set[str]:
    """The characters that a terminal would obey or not show, except for the ends of our lines."""
    return {
        character for character in text if unicodedata.category(character) in HIDDEN and character != "\n"
    }


def console(*, is_coloured: bool = False) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(stream, is_coloured=is_coloured), stream


def test_no_character_of_these_categories_is_left() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    for character in every:
        is_hidden = unicodedata.category(character) in HIDDEN
        assert (plain(character) == character) != is_hidden
        assert not hidden(plain(character))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u202e", "\\u202e"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b", "\\x9b"),
        ("\r", "\\r"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("Grüße, 日本 · „x“ … é", "Grüße, 日本 · „x“ … é"),
        (r"C:\users", r"C:\users"),
    ],
)
def test_a_hidden_character_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_line_stays_a_single_line_in_our_colour() -> None:
    out, stream = console(is_coloured=True)
    out.line(f"x{TEXT}\ny", "red")
    out.spans(("x\x1b[0m", ("bold",)), ("\x1b[1m", ()))
    first, second = stream.getvalue().splitlines()
    assert first == f"\x1b[31m{plain('x' + TEXT)} y\x1b[0m"
    assert second == "\x1b[1mx\\x1b[0m\x1b[0m\\x1b[1m"


def test_a_diff_is_plain_too() -> None:
    out, stream = console()
    out.diff([f"+{TEXT}", f"-{TEXT}", TEXT])
    assert not hidden(stream.getvalue())


def test_whatever_an_explanation_holds() -> None:
    out, stream = console()
    statement = Statement("created", "wrong", f"says {TEXT}\nforged", f"do {TEXT}")
    print_explanation(Explanation(f"Pod {TEXT}", f"is {TEXT}", "wrong", (statement,)), out)
    assert not hidden(stream.getvalue())
    assert len(stream.getvalue().splitlines()) == 3


@pytest.mark.parametrize("is_json", [True, False])
def test_the_lines_of_the_proxy(is_json: bool) -> None:
    """`run -v` prints names of packages and details that clients and registries choose."""
    event = {"message": "request", "level": "warning", "method": "GET", "file": TEXT, "detail": TEXT}
    said = [json.dumps(event), json.dumps({"level": "error", "detail": TEXT})] if is_json else [TEXT]
    program = "import sys; sys.stderr.buffer.write(sys.argv[1].encode('utf-8'))"
    out, stream = console()
    with subprocess.Popen(
        [sys.executable, "-c", program, "\n".join(said)], stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        _Watcher(process, out, 1, is_verbose=True).finish()
    assert "owned" in stream.getvalue()
    assert not hidden(stream.getvalue())


QUOTED = yaml.safe_dump(TEXT, default_style='"', width=10_000).strip()
BAD_INPUT = {
    "a kind": (("check", "-f", "-"), f"kind: {QUOTED}\nmetadata: {{name: x}}"),
    "a name": (("check", "-f", "-", "--connector", "x"), CONNECTOR.replace("name: c", f"name: {QUOTED}")),
    "an address": (("check", "-f", "-"), GOOD.replace("https://pypi.example.com", QUOTED)),
    "the name of a file": (("check", "-f", "\x1b]0;owned\x07\u202e"), ""),
    "a workload": (("explain", "\x1b]0;owned\x07\u202e/x"), ""),
    "a command": (("run", "-f", "-", "--", "\x1b]0;owned\x07\u202e"), GOOD),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_sentences_about_bad_input(name: str) -> None:
    arguments, stdin = BAD_INPUT[name]
    result = call(*arguments, stdin=stdin)
    assert result.returncode in (2, 127)
    assert "pypi-connector: " in result.stderr
    assert not hidden(result.stdout + result.stderr)


@pytest.mark.parametrize("name", ATTACKS)
def test_inject_prints_the_same_pod_in_characters_that_show(name: str, tmp_path: Path) -> None:
    text = ATTACKS[name]
    pod = yaml.safe_load(POD)
    pod["metadata"]["annotations"] |= {"x": text, "y": f"two {text}\nlines", f"k{text}": "z"}
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    result = call("inject", "-f", "-", "pod.yaml", stdin=GOOD, folder=tmp_path)
    assert result.returncode == 0
    assert not hidden(result.stdout)
    printed = yaml.safe_load(result.stdout)["metadata"]["annotations"]
    assert printed.items() >= pod["metadata"]["annotations"].items()

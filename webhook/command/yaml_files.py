"""YAML files of the command line: documents in, documents out. A problem names line and column, no value."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from webhook.errors import InputError
from webhook.plain_text import plain

STDIN = "-"

_QUOTED = re.compile(r"'(?!<)[^']{3,}'")
"""Quotes in the library's messages, which may hold a password; single characters and its <names> may stay"""
_BEGIN = re.compile(r"\A((?:[ \t]*(?:#[^\n]*)?\n)*)---[ \t]*(?:#[^\n]*)?\n")
"""The line `---` that begins a document, and the comments above it"""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a file, which is not empty."""

    value: Any
    source: str
    """The part of the file that holds it, comments included"""

    def text(self) -> str:
        """The document as its author wrote it, without its line `---`, where a console can print it so.

        A console prints no tab and no hidden character. kubectl takes no directive, and nothing after
        `---` on its line. A document with any of these is written anew.
        """
        source = _BEGIN.sub(r"\1", self.source).rstrip("\n") + "\n"
        is_safe = not source.startswith(("---", "%")) and all(
            plain(line) == line for line in source.split("\n")
        )
        return source if is_safe else dump(self.value)


def read_yaml(source: str) -> list[Any]:
    """The values of `read_documents`."""
    return [document.value for document in read_documents(source)]


def read_documents(source: str) -> list[Document]:
    """The documents of a file, or of standard input for `-`. `InputError` names line and column."""
    name = label(source)
    try:
        text = sys.stdin.read() if source == STDIN else Path(source).read_text("utf-8")
    except OSError as error:
        cause = (error.strerror or type(error).__name__).lower()
        raise InputError.of("FileUnreadable", f"{name} cannot be read: {cause}") from error
    except UnicodeDecodeError as error:
        raise InputError.of("FileUnreadable", f"{name} is not UTF-8 text") from error
    try:
        return list(_split(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "an unknown place"
        problem = _QUOTED.sub("…", getattr(error, "problem", None) or "it is no YAML")
        raise InputError.of("InvalidYAML", f"{name}: {where}: {problem}") from None
    except (ValueError, TypeError, AttributeError):
        # a value that looks like a date, or has a tag, and does not fit it
        sentence = f"{name} holds a value that YAML cannot read as what it looks like: put it into quotes"
        raise InputError.of("InvalidYAML", sentence) from None


def label(source: str) -> str:
    """The name of a file in a sentence."""
    return "standard input" if source == STDIN else source


def _split(text: str) -> Iterator[Document]:
    values = list(yaml.safe_load_all(text))
    begins = [event.start_mark for event in yaml.parse(text) if isinstance(event, yaml.DocumentStartEvent)]
    # comments above the first document belong to it
    cuts = [0, *(mark.index for mark in begins[1:] if mark), len(text)]
    for value, (begin, end) in zip(values, pairwise(cuts), strict=False):
        if value is not None:
            yield Document(value, text[begin:end])


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that people can read files and certificates.

    A text with characters that a console does not print stands in quotes, where YAML reads their escapes.
    """


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    lines = text.split("\n")
    style = '"' if any(plain(line) != line for line in lines) else "|" if len(lines) > 1 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(document: Mapping[str, Any]) -> str:
    """YAML as `kubectl get -o yaml` writes it, in the document's own order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)

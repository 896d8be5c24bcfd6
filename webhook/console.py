"""Output for people: colour on a terminal, plain text elsewhere (NO_COLOR is honoured: no-color.org).

The command line prints through this module alone. Text from other authors cannot add styles or controls: it
is made plain here.
"""

import sys
from collections.abc import Mapping
from typing import Literal, TextIO

from webhook.plain_text import plain

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]
Span = tuple[str, tuple[Style, ...]]
"""A part of a line, and its styles"""

_CODES: Mapping[Style, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}


class Console:
    """Writes to one stream, line by line."""

    def __init__(self, stream: TextIO, *, is_coloured: bool) -> None:
        self._stream = stream
        self._is_coloured = is_coloured

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str]) -> "Console":
        return cls(stream, is_coloured=stream.isatty() and "NO_COLOR" not in environment)

    def line(self, text: str = "", *styles: Style) -> None:
        self.spans((text, styles))

    def spans(self, *spans: Span) -> None:
        """Write one line whose parts have different styles."""
        self._stream.write("".join(self._paint(plain(text), styles) for text, styles in spans) + "\n")
        self._stream.flush()

    def diff(self, lines: list[str]) -> None:
        """Write a unified diff, with its added and removed lines coloured."""
        styles: dict[str, tuple[Style, ...]] = {"+": ("green",), "-": ("red",), "@": ("cyan",)}
        for line in lines:
            self.line(line.rstrip("\n"), *styles.get(line[:1], ()))

    def _paint(self, text: str, styles: tuple[Style, ...]) -> str:
        if not self._is_coloured or not styles:
            return text
        return f"\033[{';'.join(_CODES[style] for style in styles)}m{text}\033[0m"


def standard_error(environment: Mapping[str, str]) -> Console:
    return Console.of(sys.stderr, environment)


def standard_output(environment: Mapping[str, str]) -> Console:
    return Console.of(sys.stdout, environment)

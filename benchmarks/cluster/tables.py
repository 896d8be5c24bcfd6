"""Tables of figures, as text for a terminal and as Markdown for docs/performance.md."""

from collections.abc import Sequence
from dataclasses import dataclass

NONE = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Table:
    """The table of a figure. The first column names the row; the others are aligned to the right."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def render_text(tables: Sequence[Table], machine: str) -> str:
    return "\n\n".join([machine, *(_text(table) for table in tables)])


def render_markdown(tables: Sequence[Table], machine: str) -> str:
    return "\n\n".join([*(_markdown(table) for table in tables), machine])


def _text(table: Table) -> str:
    rows = [table.headings, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headings))]
    lines = ["  ".join([row[0].ljust(widths[0]), *_right(row[1:], widths[1:])]) for row in rows]
    return "\n".join([table.title, *lines[:1], "─" * len(lines[0]), *lines[1:]])


def _right(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]


def _markdown(table: Table) -> str:
    rule = ["---", *("--:" for _ in table.headings[1:])]
    rows = [[table.title, *table.headings[1:]], rule, *table.rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)

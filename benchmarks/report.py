"""The tables of a run: the aims, and the medians of each subject with the sidecar's ratios."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.aims import AIMS
from benchmarks.rounds import Samples, Spread, interval, median, ratios
from benchmarks.subjects import (
    BEFORE,
    CADDY,
    DIRECT,
    ENVOY,
    GATEWAY,
    HAPROXY,
    NGINX,
    NGINX_TUNED,
    SIDECAR,
    UVICORN,
)

_COLUMNS = (DIRECT, SIDECAR, BEFORE, GATEWAY, NGINX, NGINX_TUNED, HAPROXY, CADDY, ENVOY, UVICORN)
_NONE = "\N{EN DASH}"

Table = Sequence[Sequence[str]]
"""Rows of cells, the headings first"""


class Row(NamedTuple):
    metric: str
    label: str
    digits: int
    reference: str = NGINX
    """The subject that the sidecar's value is divided by"""


ROWS = (
    Row("start_ms", "Spawn to first 200, ms", 1),
    Row("idle_rss", "Idle memory (RSS), MiB", 1),
    Row("added_anonymous", "Anonymous memory that a further Pod adds, MiB", 1),
    Row("p50_1", "20 KB, 1 connection: p50, ms", 3),
    Row("rate_1", "20 KB, 1 connection: requests/s", 0),
    Row("cpu_us_1", "20 KB, 1 connection: CPU of a request, µs", 0),
    Row("p50_16", "20 KB, 16 connections: p50, ms", 2),
    Row("p99_16", "20 KB, 16 connections: p99, ms", 2),
    Row("rate_16", "20 KB, 16 connections: requests/s", 0),
    Row("cpu_us_16", "20 KB, 16 connections: CPU of a request, µs", 0),
    Row("p50_50", "20 KB, 50 connections: p50, ms", 2),
    Row("p99_50", "20 KB, 50 connections: p99, ms", 2),
    Row("rate_50", "20 KB, 50 connections: requests/s", 0),
    Row("cpu_us_50", "20 KB, 50 connections: CPU of a request, µs", 0),
    Row("down_s", "1 GiB down, s", 2),
    Row("down_cpu_s", "1 GiB down: CPU of the proxy, s", 2),
    Row("down_peak", "1 GiB down: peak RSS, MiB", 1),
    Row("up_s", "1 GiB up, s", 2),
    Row("up_cpu_s", "1 GiB up: CPU of the proxy, s", 2),
    Row("up_growth", "1 GiB up: peak over idle, MiB", 1),
    Row("page_ms", "Index page, 5 MB, 20,000 absolute links, ms", 1),
    Row("uv_s", "uv pip install, 60 cold wheels, 40 MB, s", 2, DIRECT),
    Row("uv_peak", "uv pip install: peak RSS, MiB", 1),
    Row("pip_s", "pip install of the same, s", 2, DIRECT),
)


def render_text(results: Sequence[Samples], machine: str) -> str:
    return "\n".join([machine, *(_text(table) for table in _tables(results))])


def render_markdown(results: Sequence[Samples], machine: str) -> str:
    return "\n".join([*(f"{_markdown(table)}\n" for table in _tables(results)), machine])


def _tables(results: Sequence[Samples]) -> Iterator[Table]:
    for table in (_aims(results), _figures(results)):
        if len(table) > 1:
            yield table


def _aims(results: Sequence[Samples]) -> Table:
    has_before = any(BEFORE in samples for samples in results)
    rows = [("aim", "at", SIDECAR, *([BEFORE] if has_before else []), "")]
    for aim in AIMS:
        for samples in results:
            if reached := aim.reached(samples):
                before = [_spread(aim.reached(samples, BEFORE))] if has_before else []
                rows.append((aim.figure, aim.text, _spread(reached), *before, aim.verdict(reached)))
    return rows


def _figures(results: Sequence[Samples]) -> Table:
    """Subjects that no figure of this run measured have no column."""
    columns = [name for name in _COLUMNS if any(name in samples for samples in results)]
    compared = [None, *(name for name in (BEFORE, GATEWAY) if name in columns)]
    rows = [("", *columns, f"{SIDECAR} ÷ {NGINX}", *(f"÷ {name}" for name in compared[1:]))]
    for row in ROWS:
        for samples in results:
            values = [median(samples, subject, row.metric) for subject in columns]
            if any(value is not None for value in values):
                texts = [_NONE if value is None else f"{value:,.{row.digits}f}" for value in values]
                rows.append((row.label, *texts, *(_ratio(samples, row, name) for name in compared)))
    return rows


def _ratio(samples: Samples, row: Row, reference: str | None) -> str:
    """The ratio to `reference`; None: to the row's own reference."""
    values = ratios(samples, SIDECAR, reference or row.reference, row.metric)
    text = _spread(interval(values) if values else None)
    return text if reference or row.reference == NGINX else f"{text} of {row.reference}"


def _spread(spread: Spread | None) -> str:
    return f"{spread.median:.2f} ({spread.lowest:.2f} to {spread.highest:.2f})" if spread else _NONE


def _text(table: Table) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    lines = [_aligned(row, widths) for row in table]
    lines.insert(1, "─" * max(len(line) for line in lines))
    return "\n".join(["", *lines])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
    return "  ".join(cells).rstrip()


def _markdown(table: Table) -> str:
    rule = ["---", *("--:" for _ in table[0][1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (table[0], rule, *table[1:]))

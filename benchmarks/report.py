"""The table: medians of each subject, the sidecar's ratios, and the targets they are held against."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.rounds import Samples, median, ratio
from benchmarks.subjects import DIRECT, NGINX, NGINX_TUNED, SIDECAR, UVICORN

_COLUMNS = (DIRECT, SIDECAR, NGINX, NGINX_TUNED, UVICORN)
_NONE = "\N{EN DASH}"
_HEADINGS = ("", *_COLUMNS, "sidecar ÷ nginx", "target", "")


class Goal(NamedTuple):
    limit: float
    of_ratio: bool
    """Else of the sidecar's own value"""
    text: str


class Row(NamedTuple):
    metric: str
    label: str
    digits: int
    reference: str | None
    goal: Goal | None = None


ROWS = (
    Row("start_ms", "Spawn to first 200, ms", 1, UVICORN, Goal(0.5, True, "≤ 0.5")),
    Row("idle_rss", "Idle memory (RSS), MiB", 1, NGINX, Goal(24, False, "≤ 24 MiB")),
    Row("idle_anonymous", "Idle memory, anonymous part, MiB", 1, NGINX),
    Row("p50_1", "20 KB, 1 connection: p50, ms", 3, NGINX),
    Row("rate_1", "20 KB, 1 connection: requests/s", 0, NGINX),
    Row("p50_16", "20 KB, 16 connections: p50, ms", 2, NGINX),
    Row("p99_16", "20 KB, 16 connections: p99, ms", 2, NGINX),
    Row("rate_16", "20 KB, 16 connections: requests/s", 0, NGINX),
    Row("down_s", "1 GiB down, s", 2, NGINX, Goal(1.1, True, "≤ 1.1")),
    Row("down_cpu_s", "1 GiB down: CPU of the proxy, s", 2, NGINX),
    Row("down_peak", "1 GiB down: peak RSS, MiB", 1, NGINX),
    Row("up_s", "1 GiB up, s", 2, NGINX),
    Row("up_cpu_s", "1 GiB up: CPU of the proxy, s", 2, NGINX),
    Row("up_peak", "1 GiB up: peak RSS, MiB", 1, NGINX),
    Row(
        "up_growth",
        "1 GiB up: growth over 1 MiB up, MiB",
        1,
        None,
        Goal(0.5, False, "≤ 0.5, flat"),
    ),
    Row("page_ms", "Index page, 5 MB, 20,000 absolute links, ms", 1, NGINX),
    Row("install_s", "uv pip install, 60 cold wheels, 40 MB, s", 2, DIRECT, Goal(1.15, True, "≤ 1.15")),
    Row("install_peak", "uv pip install: peak RSS, MiB", 1, NGINX),
)


def render_text(results: Sequence[Samples], machine: str) -> str:
    rows = [_HEADINGS, *_cells(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join(
            cell.ljust(width) if not at else cell.rjust(width) for at, (cell, width) in enumerate(paired)
        )
        for paired in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    lines.insert(1, "─" * max(len(line) for line in lines))
    return "\n".join([machine, "", *(line.rstrip() for line in lines)])


def render_markdown(results: Sequence[Samples], machine: str) -> str:
    rule = ("---", *("--:" for _ in _HEADINGS[1:]))
    lines = ["| " + " | ".join(row) + " |" for row in (_HEADINGS, rule, *_cells(results))]
    return "\n".join([*lines, "", machine])


def _cells(results: Sequence[Samples]) -> Iterator[Sequence[str]]:
    for row in ROWS:
        for samples in results:
            values = [median(samples, subject, row.metric) for subject in _COLUMNS]
            if any(value is not None for value in values):
                texts = [_NONE if value is None else f"{value:,.{row.digits}f}" for value in values]
                yield (row.label, *texts, *_verdict(samples, row))


def _verdict(samples: Samples, row: Row) -> tuple[str, str, str]:
    """Ratio with its spread, target, whether it is met."""
    spread = ratio(samples, SIDECAR, row.reference, row.metric) if row.reference else None
    text = f"{spread.median:.2f} ({spread.lowest:.2f} to {spread.highest:.2f})" if spread else _NONE
    if spread and row.reference != NGINX:
        text += f" of {row.reference}"
    if row.goal is None:
        return text, "", ""
    value = spread.median if row.goal.of_ratio and spread else median(samples, SIDECAR, row.metric)
    return text, row.goal.text, "met" if value is not None and value <= row.goal.limit else "MISSED"

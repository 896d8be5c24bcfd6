"""The sidecar's log: whole lines, short enough for a pipe, and none that waits for a reader."""

import json
import os
from collections.abc import Iterator

import pytest

from sidecar.log import Log


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def lines(reading: int) -> list[dict[str, object]]:
    return [json.loads(line) for line in os.read(reading, 1 << 20).splitlines()]


def test_a_line_holds_its_fields_and_leaves_out_none(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    Log("info", writing).write("info", 'a "message"', count=1, ms=0.5, name="é\n", missing=None)
    (line,) = lines(reading)
    assert line.pop("time")
    assert line == {"level": "info", "message": 'a "message"', "count": 1, "ms": 0.5, "name": "é\n"}


def test_a_level_below_the_threshold_is_not_written(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = Log("warning", writing)
    log.write("info", "below")
    log.write("error", "above")
    assert [one["message"] for one in lines(reading)] == ["above"]


@pytest.mark.parametrize("level", ["info", "error"])
def test_lines_that_found_no_room_are_counted(pipe: tuple[int, int], level: str) -> None:
    reading, writing = pipe
    log = Log(level, writing)
    for _ in range(2000):
        log.write("error", "x" * 100)
    written = len(lines(reading))
    assert written < 2000
    log.write("error", "afterwards")
    first, second = lines(reading)
    assert (first["message"], first["count"]) == ("log lines were lost: nobody read them", 2000 - written)
    assert second["message"] == "afterwards"


@pytest.mark.parametrize("text", ["x", "\x01", "é", "😀"])
def test_a_line_fits_into_a_pipe_that_has_any_room(pipe: tuple[int, int], text: str) -> None:
    """PIPE_BUF: more could wait for a reader, and everybody with it."""
    reading, writing = pipe
    Log("info", writing).write("info", "request", reason="r", detail=text * 100_000)
    data = os.read(reading, 1 << 20)
    assert len(data) <= 4096
    assert json.loads(data)["detail"].startswith(text)


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    Log("info", writing).write("info", "nobody hears it")
    os.close(writing)

"""One JSON line per event on stderr: a constant message and fields; never a header or a body."""

import json
import os
import select
import time
from collections.abc import Mapping

from sidecar.contract.words import Line

_encode = json.JSONEncoder().encode  # for a whole line it would double the cost
_quote = json.encoder.encode_basestring_ascii  # of a text alone: what `_encode` calls in the end

_NUMBERS = (int, float)
_LINE_LIMIT = 4000  # bytes; below PIPE_BUF, so a pipe with any room takes a whole line

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log:
    """Writes each line by a single write(2) below PIPE_BUF, so threads need no lock.

    A full pipe must hold up no request: its lines are dropped and counted.
    """

    def __init__(self, level: str = "info", descriptor: int = 2) -> None:
        self._threshold = LEVELS[level]
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)
        self._lost = 0
        self._second = 0
        self._stamp = ""

    def write(self, level: str, message: str, **fields: object) -> None:
        """`level` is a key of `LEVELS`; fields are JSON values, None is left out."""
        if LEVELS[level] < self._threshold:
            return
        if self._lost and self._put(self._line("warning", Line.LINES_LOST, {"count": self._lost})):
            self._lost = 0
        if not self._put(self._line(level, message, fields)):
            self._lost += 1

    def _line(self, level: str, message: str, fields: Mapping[str, object], limit: int = 2000) -> bytes:
        line = f'{{"time":"{self._time()}","level":"{level}","message":{_quote(message)}'
        for name, value in fields.items():
            if isinstance(value, str):
                line += f',"{name}":{_quote(value[:limit])}'
            elif value is not None:
                line += f',"{name}":{value if type(value) in _NUMBERS else _encode(value)}'
        if len(line) > _LINE_LIMIT and limit > 1:
            return self._line(level, message, fields, limit // 4)
        return line.encode("ascii") + b"}\n"

    def _put(self, line: bytes) -> bool:
        """Write the line if there is room. O_NONBLOCK would change the descriptor for its other users too."""
        if not self._room.poll(0):
            return False
        try:
            return os.write(self._descriptor, line) == len(line)
        except BlockingIOError:
            return False
        except OSError:  # the reader is gone; the exchange matters more than its line
            return True

    def _time(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:  # a tenth of a line's cost
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"

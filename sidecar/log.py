"""One JSON line per event on stderr: a constant message and fields; never a header or a body."""

import json
import os
import select
import time
from collections.abc import Mapping

from sidecar.contract.words import Line

_encode = json.JSONEncoder().encode  # quick for a string; of a whole line it would be half of the cost

_NUMBERS = (int, float)
_LONGEST = 4000  # below PIPE_BUF: a pipe that has room at all has so much

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log:
    """Writes lines whole: one write(2) below PIPE_BUF, so threads need no lock.

    A line that nobody makes room for is dropped and counted: a pipe that is full must hold up no request.
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

    def _line(self, level: str, message: str, fields: Mapping[str, object], longest: int = 2000) -> bytes:
        line = f'{{"time":"{self._time()}","level":"{level}","message":{_encode(message)}'
        for name, value in fields.items():
            if value is not None:
                shown = value[:longest] if isinstance(value, str) else value
                line += f',"{name}":{str(value) if type(value) in _NUMBERS else _encode(shown)}'
        if len(line) > _LONGEST and longest > 1:
            return self._line(level, message, fields, longest // 4)
        return line.encode("ascii") + b"}\n"

    def _put(self, line: bytes) -> bool:
        """Whether it went out. Not O_NONBLOCK, which others who share the descriptor would see too."""
        if not self._room.poll(0):
            return False
        try:
            return os.write(self._descriptor, line) == len(line)
        except BlockingIOError:
            return False
        except OSError:  # nobody reads any more; the exchange matters more than its line
            return True

    def _time(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:  # a tenth of a line's cost
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"

"""One JSON line per event on stderr: a constant message and fields; never a header or a body."""

import contextlib
import json
import os
import select
import time

_encode = json.JSONEncoder().encode  # quick for a string; of a whole line it would be half of the cost

_NUMBERS = (int, float)

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
        line = f'{{"time":"{self._time()}","level":"{level}","message":{_encode(message)}'
        for name, value in fields.items():
            if value is not None:
                line += f',"{name}":{str(value) if type(value) in _NUMBERS else _encode(value)}'
        if not self._room.poll(0):  # not O_NONBLOCK, which others who share the descriptor would see too
            self._lost += 1
            return
        with contextlib.suppress(OSError):  # nobody reads any more; the exchange matters more than its line
            os.write(self._descriptor, line.encode("ascii") + b"}\n")
        if self._lost:
            count, self._lost = self._lost, 0
            self.write("warning", "log lines were lost: nobody read them", count=count)

    def _time(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:  # a tenth of a line's cost
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"

"""One JSON line per event on stderr: a constant message and fields; never a header or a body."""

import contextlib
import json
import os
import time

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log:
    """Writes lines whole: one write(2) below PIPE_BUF, so threads need no lock."""

    def __init__(self, level: str = "info", descriptor: int = 2) -> None:
        self._threshold = LEVELS[level]
        self._descriptor = descriptor

    def write(self, level: str, message: str, **fields: object) -> None:
        """`level` is a key of `LEVELS`; fields are JSON values, None is left out."""
        if LEVELS[level] < self._threshold:
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        line: dict[str, object] = {"time": stamp, "level": level, "message": message}
        line.update((key, value) for key, value in fields.items() if value is not None)
        with contextlib.suppress(OSError):  # nobody reads any more; the exchange matters more than its line
            os.write(self._descriptor, json.dumps(line, separators=(",", ":")).encode() + b"\n")

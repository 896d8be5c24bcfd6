"""pytest as a separate program: its output is shown, or kept until it is asked for."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from node.places import CHECKOUT

INTERRUPTED_SECONDS = 10.0  # fixtures end in less; the sender of SIGTERM may follow it by SIGKILL


class Suite:
    """One run of pytest. `closing` is the line with its counts, as soon as it has been written."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        *,
        shown: bool,
        entering: Sequence[str] = (),
    ) -> None:
        """`entering` is what the command starts with, so that it runs inside of a node."""
        color = ["--color=yes"] if sys.stdout.isatty() else []
        command = [*entering, sys.executable, "-m", "pytest", *color, *arguments]
        self._process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True
        )
        self._shown = shown
        self._kept: list[str] = []
        self.closing = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if self._shown:
                sys.stdout.write(line)
                sys.stdout.flush()
            else:
                self._kept.append(line)
            self.closing = line if re.search(r"={3,}.* in [\d.]+s", line) else self.closing

    def result(self) -> int:
        """Its exit code, once it has ended; kept output is shown then."""
        code = self._process.wait()
        self._reader.join()
        sys.stdout.write("".join(self._kept))
        self._kept.clear()
        return code

    def end(self) -> None:
        """End it now, if it still runs: first gently, so that its fixtures end their own processes."""
        with suppress(subprocess.TimeoutExpired):
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
                self._process.wait(INTERRUPTED_SECONDS)
        self._process.kill()
        self._process.wait()
        self._reader.join()

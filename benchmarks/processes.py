"""Measured processes: each in a session of its own, watched through /proc, ended in any case."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_TICK = os.sysconf("SC_CLK_TCK")
_END_SECONDS = 3.0


class Memory(NamedTuple):
    """MiB, summed over the processes of a service."""

    rss: float
    anonymous: float
    """The memory that a further copy on the same node adds: not the file pages, which copies share. A page
    that a master and its worker share counts once."""


class Service:
    """A program and all processes that it starts: nginx is a master and its workers."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, pass_fds: Sequence[int] = ()
    ) -> None:
        self._log = log
        self._ending = ExitStack()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=pass_fds,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Send SIGTERM, then SIGKILL to the processes of the session that still run; wait for the end."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._ending.close()

    def at_end(self, action: Callable[[], object]) -> None:
        """Also do this in `end`."""
        self._ending.callback(action)

    def check(self) -> None:
        """Raises RuntimeError with the last log lines if the program ended by itself."""
        if self._process.poll() is not None:
            words = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.returncode}: {words}")

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self._pids())

    def memory(self) -> Memory:
        tables = [kibibytes(f"/proc/{pid}/smaps_rollup") for pid in self._pids()]
        return Memory(*(sum(table[name] for table in tables) / 1024 for name in ("Rss", "Pss_Anon")))

    def forget_peak(self) -> None:
        """Let `peak_rss` begin anew (proc_pid_clear_refs(5))."""
        for pid in self._pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_rss(self) -> float:
        """MiB: the sum of the peaks of all processes."""
        return sum(kibibytes(f"/proc/{pid}/status")["VmHWM"] for pid in self._pids()) / 1024

    def _pids(self) -> list[int]:
        self.check()
        pids = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError, IndexError):  # it ended in the meantime
                    if int(_stat(int(entry.name))[3]) == self._process.pid:
                        pids.append(int(entry.name))
        return pids


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third (state) on; the second may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICK  # utime, stime


def kibibytes(path: str) -> dict[str, int]:
    """Name → KiB, of the lines `Name: number kB` of a file in /proc."""
    sizes = {}
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith("kB"):
            sizes[name] = int(value.split()[0])
    return sizes

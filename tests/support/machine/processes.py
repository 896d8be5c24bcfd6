"""The kernel's view of a running process: memory, descriptors, and whether it rests."""

import time
from pathlib import Path

from support.servers.registry import PATIENCE_SECONDS

_SAMPLES = 15
_PAUSE_SECONDS = 0.01
_TICKS = 2
"""Of CPU time, 10 ms each, that the process may take between the samples of one rest"""


def peak_kib(pid: int) -> int:
    """The peak of its memory, in KiB."""
    return _status(pid, "VmHWM")


def resident_kib(pid: int) -> int:
    """The memory it holds now, in KiB."""
    return _status(pid, "VmRSS")


def forget_peak(pid: int) -> None:
    """Reset `peak_kib` (proc_pid_clear_refs(5))."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def threads(pid: int) -> int:
    return _status(pid, "Threads")


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def wait_for_open_files(pid: int, least: int, most: int) -> None:
    """Until it has so many descriptors: what is accepted or closed at the other end takes its time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not least <= (found := open_files(pid)) <= most:
        assert time.monotonic() < deadline, f"{found} descriptors are open"
        time.sleep(_PAUSE_SECONDS)


def rests(pid: int, seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether all its threads come to sleep for a while; a loop that spins never does.

    States and not CPU time alone are looked at: on a loaded machine one that spins gets little.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before, asleep = _ticks(pid), 0
        while asleep < _SAMPLES and _is_asleep(pid):
            asleep += 1
            time.sleep(_PAUSE_SECONDS)
        if asleep == _SAMPLES and _ticks(pid) - before <= _TICKS:
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (found,) = [int(line.split()[1]) for line in lines if line.startswith(f"{field}:")]
    return found


def _fields(text: str) -> list[str]:
    """Of proc_pid_stat(5), from the state on: the name before it may hold anything."""
    return text.rpartition(")")[2].split()


def _is_asleep(pid: int) -> bool:
    states = [_fields(path.read_text())[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"S"}


def _ticks(pid: int) -> int:
    fields = _fields(Path(f"/proc/{pid}/stat").read_text())
    return int(fields[11]) + int(fields[12])

"""Searches all that a process can see for secrets: its environment, files, other processes.

A program of its own, with the workload's rights, in the workload's container: `python3 -I search.py
[--no-processes] ROOT… [!SKIPPED…]`. Standard input has a needle on each line, so that the environment and the
arguments of the search hold none. The search leaves out its own process. It prints a JSON document: how much
it searched, and the places of needles.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

_PIECE = 1024 * 1024
_FILE_LIMIT = 64 * 1024 * 1024  # larger files are packages, not credentials


def search(
    needles: Sequence[bytes],
    roots: Sequence[Path],
    skipped: Sequence[Path] = (),
    *,
    with_processes: bool = True,
) -> dict[str, object]:
    """`{"variables", "files", "processes": counts, "found": places}`. An unreadable file is out of reach."""
    places: list[str] = []
    counts = {"variables": 0, "files": 0, "processes": 0}
    for name, value in os.environb.items():
        counts["variables"] += 1
        if _holds(value, needles):
            places.append(f"variable {os.fsdecode(name)}")
    for path in _files(roots, skipped):
        counts["files"] += 1
        if _file_holds(path, needles):
            places.append(f"file {path}")
    for folder in _processes() if with_processes else ():
        counts["processes"] += 1
        places += [f"process {folder.name}: {part}" for part in _process_holds(folder, needles)]
    return {**counts, "found": places}


def _holds(data: bytes, needles: Sequence[bytes]) -> bool:
    return any(needle in data for needle in needles)


def _files(roots: Sequence[Path], skipped: Sequence[Path]) -> Iterator[Path]:
    excluded = {str(path) for path in skipped}
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in excluded]  # noqa: PTH118
            for name in files:
                path = Path(folder, name)
                if path.is_file() and str(path) not in excluded:
                    yield path


def _file_holds(path: Path, needles: Sequence[bytes]) -> bool:
    try:
        with path.open("rb") as stream:
            tail = b""
            read = 0
            while (piece := stream.read(_PIECE)) and read < _FILE_LIMIT:
                read += len(piece)
                if _holds(tail + piece, needles):
                    return True
                tail = piece[-256:]  # a needle, which is shorter, may lie across two pieces
    except OSError:
        pass
    return False


def _processes() -> Iterator[Path]:
    own = str(os.getpid())
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and folder.name != own:
            yield folder


def _process_holds(folder: Path, needles: Sequence[bytes]) -> Iterator[str]:
    for part in ("environ", "cmdline"):
        try:
            data = (folder / part).read_bytes()
        except OSError:
            continue
        if _holds(data, needles):
            yield part
    if _memory_holds(folder, needles):
        yield "memory"


def _memory_holds(folder: Path, needles: Sequence[bytes]) -> bool:
    """Private writable memory, where a program keeps its data (proc(5): maps, mem)."""
    try:
        maps = (folder / "maps").read_text().splitlines()
        with (folder / "mem").open("rb", 0) as memory:
            for line in maps:
                bounds, rights, *_ = line.split()
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                if (
                    rights.startswith("rw")
                    and end - start <= _FILE_LIMIT
                    and _range_holds(memory, start, end, needles)
                ):
                    return True
    except (OSError, ValueError):
        pass
    return False


def _range_holds(memory: FileIO, start: int, end: int, needles: Sequence[bytes]) -> bool:
    try:
        memory.seek(start)
        return _holds(memory.read(end - start), needles)
    except (OSError, OverflowError):
        return False


def main() -> None:
    arguments = sys.argv[1:]
    skipped = [Path(argument[1:]) for argument in arguments if argument.startswith("!")]
    roots = [Path(argument) for argument in arguments if argument.startswith("/")]
    needles = [line for line in sys.stdin.buffer.read().split(b"\n") if line]
    sys.stdout.write(
        json.dumps(search(needles, roots, skipped, with_processes="--no-processes" not in arguments)) + "\n"
    )


if __name__ == "__main__":
    main()

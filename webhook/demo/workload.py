"""A workload's command, and after it, in the same container, the search for secrets."""

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.contract.words import CONFIG_DIR
from webhook.demo import search
from webhook.demo.containers import image_folders
from webhook.demo.kubelet import PodProcesses

_ENDED = "pypi-connector-demo: ended with"
_KERNEL = ("/proc", "/dev", "/sys")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a workload."""

    exit_code: int
    search: Mapping[str, Any]
    """As `webhook.demo.search` prints it"""


def run_and_search(
    processes: PodProcesses,
    name: str,
    needles: Sequence[bytes],
    print_line: Callable[[str], None],
    *,
    isolate: bool,
) -> Outcome:
    """Run the container's own command. Then search the container, with all that it can see.

    The needles come by a pipe once the command has ended, so that the command never has them.
    """
    process = processes.start_workload(
        name,
        _wrapped(processes, name, isolate=isolate),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if process.stdin is None or process.stdout is None:
        raise TypeError("both are pipes")
    code = 1
    for line in process.stdout:
        _, mark, number = line.partition(_ENDED)
        if mark:
            code = int(number)
            break
        print_line(line)
    else:
        return Outcome(process.wait() or code, {"found": ["the container ended before the search"]})
    answer, _ = process.communicate("\n".join(needle.decode() for needle in needles))
    return Outcome(code, json.loads(answer))


def _wrapped(processes: PodProcesses, name: str, *, isolate: bool) -> list[str]:
    skipped = [f"!{folder}" for folder in [*image_folders(), *_KERNEL]]
    reach = ["/"] if isolate else ["--no-processes", str(processes.home(name)), CONFIG_DIR]
    source = Path(search.__file__).read_text("utf-8")
    searching = shlex.join(["python3", "-I", "-c", source, *reach, *skipped])
    # the line break first: a client may have left the cursor in the middle of a line
    script = f'"$@" </dev/null; printf "\\n{_ENDED} %d\\n" $?; {searching}'
    return ["sh", "-c", script, "sh", *processes.command(name)]

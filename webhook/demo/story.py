"""The main job, step by step: a registry with a password, a reviewed Pod, its sidecar, its clients."""

import json
import re
import signal
import time
from pathlib import Path

import httpx

from sidecar.contract.words import COMMAND, Line
from webhook import names
from webhook.clients.ports import RANGE, default_port
from webhook.command.loopback import is_taken
from webhook.console import Console
from webhook.demo import services
from webhook.demo.containers import isolation_works
from webhook.demo.kubelet import GateClosed, PodProcesses
from webhook.demo.reviewing import ask_admission, verifying
from webhook.demo.show import show_after, show_before
from webhook.demo.stage import Stage, example, set_stage
from webhook.demo.workload import Outcome, run_and_search
from webhook.errors import ConnectorsError
from webhook.identifiers import ConnectorKey

_WORKLOAD = "build"
_CONNECTOR = ConnectorKey("team-a", "team-pypi")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class StoryFailed(ConnectorsError):
    """A step failed; the text says which and why."""


def run_demo(console: Console, *, isolate: bool) -> int:
    """Run the demo. Exit code 0: packages were installed and uploaded, and no password was in reach."""
    started = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    services.quiet_logs()
    try:
        with set_stage() as stage:
            probe = stage.folder / "probe"
            probe.mkdir()
            _play(stage, console, isolate=isolate and isolation_works(probe))
    except KeyboardInterrupt:
        console.line()
        console.line("Interrupted; everything was ended and removed.", "yellow")
        return 130
    except (StoryFailed, GateClosed) as error:
        console.line()
        console.line(str(error), "red")
        return 1
    console.line(f"Everything was ended and removed, {time.monotonic() - started:.0f} s in all.", "dim")
    return 0


def _play(stage: Stage, console: Console, *, isolate: bool) -> None:
    _heading(console, "A registry that wants a password")
    refused = httpx.get(f"{stage.address}/simple/", verify=verifying(stage), trust_env=False).status_code
    console.line(f"pypiserver at {stage.address} answers {refused} without it.")

    _heading(console, "A Pod that names it in one annotation")
    pod = example("pod.yaml")[0]
    if is_taken(default_port(_CONNECTOR)):
        # in a Pod the loopback interface is the Pod's alone; here another demo may run
        pod["metadata"]["annotations"][names.PORT] = str(next(one for one in RANGE if not is_taken(one)))
    show_before(pod, console)
    _heading(console, "The Pod after admission, reviewed over TLS")
    reviewed, warnings = ask_admission(stage, pod)
    show_after(pod, reviewed, console)
    for warning in warnings:
        console.line(f"warning: {warning}", "yellow")

    _heading(console, "Its sidecar")
    token = stage.create_pod(reviewed)
    with PodProcesses(reviewed, stage.folder / "pod", token, isolate=isolate) as processes:
        processes.start_sidecar()
        console.line(f"{' '.join(COMMAND)} listens; the start gate has opened.")
        if not isolate:
            console.line(
                "This machine makes no user namespaces: paths have a prefix, isolation is not shown.",
                "yellow",
            )
        _heading(console, "Its workload, with the container's own variables and files")
        outcome = _run_workload(stage, processes, console, isolate=isolate)
        _check_registry(stage, console)
        _heading(console, "What the workload can reach of the password")
        _show_search(outcome, console, isolate=isolate)
        _show_log(processes.sidecar_log, console)


def _run_workload(stage: Stage, processes: PodProcesses, console: Console, *, isolate: bool) -> Outcome:
    def print_line(line: str) -> None:
        # a progress bar is no line of its own: it overwrites itself
        text = _ESCAPES.sub("", line).rstrip().rpartition("\r")[2]
        if text and "━" not in text:
            console.line("  " + text, *(("bold",) if text.startswith("+ ") else ("dim",)))

    outcome = run_and_search(processes, _WORKLOAD, stage.needles(), print_line, isolate=isolate)
    if outcome.exit_code != 0:
        raise StoryFailed(f"the workload ended with exit code {outcome.exit_code}")
    return outcome


def _check_registry(stage: Stage, console: Console) -> None:
    uploaded = sorted(path.name for path in stage.packages.glob("hello_upload-*.whl"))
    if not uploaded:
        raise StoryFailed("the registry does not hold the package that was uploaded")
    console.line(f"The registry now holds {', '.join(uploaded)}.")


def _show_search(outcome: Outcome, console: Console, *, isolate: bool) -> None:
    result = outcome.search
    if result["found"]:
        raise StoryFailed(f"the password is in reach: {', '.join(result['found'])}")
    others = f", and the memory of {result['processes']} other process(es)" if isolate else ""
    console.line(
        f"Searched, from inside: {result['variables']} variables, {result['files']} files{others}, "
        "for the password and its base64."
    )
    console.line("It is not there.", "green", "bold")
    if not isolate:
        console.line("Processes were left out: without isolation it sees all of this user's.", "yellow")


def _show_log(log: Path, console: Console) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    requests = [line for line in lines if line["message"] == Line.REQUEST and line.get("status", 500) < 300]
    _heading(console, "What the sidecar logged")
    for request in requests:
        name = request.get("file") or request.get("package") or ""
        result = f"{request['status']}  {request['ms']:6.1f} ms"
        console.line(f"  {request['method']:5}{request['action']:8}{name:42}{result}", "dim")


def _heading(console: Console, text: str) -> None:
    console.line()
    console.line(text, "bold", "cyan")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt

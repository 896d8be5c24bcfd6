"""The Pod of the example, with a script of the test, run as the patch says."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.machine.ports import free_port
from webhook import names
from webhook.demo.kubelet import PodProcesses
from webhook.demo.reviewing import ask_admission
from webhook.demo.stage import Stage, example
from webhook.demo.workload import Outcome, run_and_search

_NONE: Mapping[str, str] = {}


class Runner:
    """Reviews a Pod, runs it, and keeps what its workload printed."""

    def __init__(self, stage: Stage, folder: Path, *, isolate: bool) -> None:
        self._stage = stage
        self._folder = folder
        self._isolate = isolate
        self.printed = ""
        self.log = ""

    def run(
        self,
        script: str,
        change: Callable[[dict[str, Any]], None] = lambda pod: None,
        *,
        name: str = "build",
        connector: str = "team-pypi",
        further_image: Sequence[Path] = (),
        annotations: Mapping[str, str] = _NONE,
        **variables: str,
    ) -> Outcome:
        """`annotations` are further ones, by their names without the prefix."""
        pod = copy.deepcopy(example("pod.yaml")[0])
        ours = {names.CONNECTOR: connector, names.LOG_LEVEL: "debug", names.PORT: str(free_port())}
        ours |= {f"{names.GROUP}/{key}": value for key, value in annotations.items()}
        pod["metadata"] |= {"annotations": ours, "name": name}
        container = pod["spec"]["containers"][0]
        container["args"] = [script]
        container["env"] = [{"name": name, "value": value} for name, value in variables.items()]
        reviewed, _ = ask_admission(self._stage, pod)
        change(reviewed)
        token = self._stage.create_pod(reviewed)
        lines: list[str] = []
        with PodProcesses(
            reviewed, self._folder / "pod", token, isolate=self._isolate, further_image=further_image
        ) as processes:
            processes.start_sidecar()
            needles = self._stage.needles()
            outcome = run_and_search(processes, "build", needles, lines.append, isolate=self._isolate)
        self.printed = "".join(lines)
        self.log = processes.sidecar_log.read_text()
        return outcome


def set_variable(name: str, value: str) -> Callable[[dict[str, Any]], None]:
    """Change one variable of the injected sidecar or workload; `PORT` stands for the Pod's own."""

    def change(pod: dict[str, Any]) -> None:
        found = [
            entry
            for container in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
            for entry in container.get("env", [])
            if entry["name"] == name
        ]
        assert found, name
        for entry in found:
            entry["value"] = value.replace("PORT", pod["metadata"]["annotations"][names.PORT])

    return change

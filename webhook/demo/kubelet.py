"""The part of a kubelet that an injected Pod needs: volumes, sidecar, its start gate, then the workload."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sidecar.contract.secret import Secret
from sidecar.contract.words import Line
from webhook import names
from webhook.demo.containers import IMAGE_PATH, Container, Mount, start

IMAGE_VARIABLES = {"PATH": IMAGE_PATH, "HOME": "/root", "LANG": "C.UTF-8"}
"""What an image's ENV would say; the Pod's own variables come on top"""

_END_SECONDS = 5.0


class GateClosed(Exception):
    """The sidecar's start gate did not open; the text is what it said."""


class PodProcesses:
    """One Pod, run from its manifest. `folder` holds volumes and logs; use as a context manager."""

    def __init__(
        self,
        pod: Mapping[str, Any],
        folder: Path,
        token: Secret,
        *,
        isolate: bool,
        further_image: Sequence[Path] = (),
    ) -> None:
        self._pod = pod
        self._further_image = further_image
        self._isolate = isolate
        self._scratch = folder / "root"
        self._scratch.mkdir(parents=True)
        self.sidecar_log = folder / "sidecar.log"
        self._volumes = make_volumes(pod, folder / "volumes", token)
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "PodProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started):
            end(process)

    def start_sidecar(self) -> "subprocess.Popen[str]":
        """Start the native sidecar and wait for its gate (`lifecycle.postStart`), or raise `GateClosed`."""
        spec = next(one for one in self._pod["spec"]["initContainers"] if one["name"] == names.SIDECAR)
        container = self.container(spec)
        with self.sidecar_log.open("w") as log:
            process = self._start(container, stderr=log)
        hook = spec["lifecycle"]["postStart"]["exec"]["command"]
        gate = self._start(container, argv=hook, stderr=subprocess.PIPE)
        _, said = gate.communicate()
        if gate.returncode != 0:
            raise GateClosed(said.strip())
        self._check_listening(process)
        return process

    def _check_listening(self, process: "subprocess.Popen[str]") -> None:
        """The gate cannot tell whose socket it sees; unlike in a Pod, others use this loopback too."""
        while not (lines := [json.loads(line) for line in self.sidecar_log.read_text().splitlines()]):
            if process.poll() is not None:
                raise GateClosed("the sidecar ended without a word")
            time.sleep(0.01)
        if lines[0]["message"] != Line.LISTENING:
            raise GateClosed(str(lines[0].get("detail")))

    def start_workload(
        self, name: str, argv: Sequence[str] | None = None, **streams: Any
    ) -> "subprocess.Popen[str]":
        """Start a container's own command, or another one with the same view of things (`kubectl exec`)."""
        spec = next(one for one in self._pod["spec"]["containers"] if one["name"] == name)
        return self._start(self.container(spec), argv=argv, **streams)

    def command(self, name: str) -> list[str]:
        """A container's own command and arguments."""
        spec = next(one for one in self._pod["spec"]["containers"] if one["name"] == name)
        return [*(spec.get("command") or []), *(spec.get("args") or [])]

    def home(self, name: str) -> Path:
        """Where a container works, without namespaces."""
        return self._scratch / f"home-of-{name}"

    def container(self, spec: Mapping[str, Any]) -> Container:
        variables = {entry["name"]: entry.get("value", "") for entry in spec.get("env") or []}
        return Container(
            name=spec["name"],
            command=[*(spec.get("command") or []), *(spec.get("args") or [])],
            variables={**IMAGE_VARIABLES, **variables},
            mounts=[self._mount(one) for one in spec.get("volumeMounts") or []],
            working_dir=spec.get("workingDir"),
            is_root_read_only=bool((spec.get("securityContext") or {}).get("readOnlyRootFilesystem")),
            further_image=self._further_image,
        )

    def _mount(self, one: Mapping[str, Any]) -> Mount:
        source = self._volumes[one["name"]] / one.get("subPath", "")
        return Mount(source, one["mountPath"], bool(one.get("readOnly")))

    def _start(
        self, container: Container, argv: Sequence[str] | None = None, **streams: Any
    ) -> "subprocess.Popen[str]":
        process = start(container, self._scratch, isolate=self._isolate, argv=argv, **streams)
        self._started.append(process)
        return process


def make_volumes(pod: Mapping[str, Any], folder: Path, token: Secret) -> dict[str, Path]:
    """A folder per volume; a projected token lies where its `path` says. Other kinds are left empty."""
    found = {}
    for volume in pod["spec"].get("volumes") or []:
        place = folder / volume["name"]
        place.mkdir(parents=True)
        for source in (volume.get("projected") or {}).get("sources") or []:
            if "serviceAccountToken" in source:
                (place / source["serviceAccountToken"]["path"]).write_text(token.reveal())
        found[volume["name"]] = place
    return found


def end(process: "subprocess.Popen[str]") -> None:
    """SIGTERM to its group, then SIGKILL; a namespace's first process takes all others with it.

    The group and not the process: unshare(1) ignores SIGTERM while it waits for its child.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)

"""The part of a kubelet that an injected Pod needs: volumes, sidecar, its start gate, the workload."""

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
from webhook.clients.references import expanded
from webhook.demo.containers import IMAGE_PATH, Container, Mount, start

IMAGE_VARIABLES = {"PATH": IMAGE_PATH, "HOME": "/root", "LANG": "C.UTF-8"}
"""The ENV of an image; the Pod's own variables override it"""

_END_SECONDS = 5.0


class GateClosed(Exception):
    """The sidecar's start gate did not open; the text is its output."""


class PodProcesses:
    """A Pod, run from its manifest. `folder` holds volumes and logs. A context manager."""

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
        """Start the native sidecar and wait for its gate (`lifecycle.postStart`). Raises `GateClosed`."""
        spec = _named(self._pod["spec"]["initContainers"], names.SIDECAR)
        container = self.container(spec)
        with self.sidecar_log.open("w") as log:
            process = self._start(container, stderr=log)
        hook = spec["lifecycle"]["postStart"]["exec"]["command"]
        gate = self._start(container, argv=hook, stderr=subprocess.PIPE)
        _, output = gate.communicate()
        if gate.returncode != 0:
            raise GateClosed(output.strip())
        self._check_listening(process)
        return process

    def _check_listening(self, process: "subprocess.Popen[str]") -> None:
        """The gate cannot tell whose socket it sees. Unlike in a Pod, other programs use this loopback."""
        while not (lines := [json.loads(line) for line in self.sidecar_log.read_text().splitlines()]):
            if process.poll() is not None:
                raise GateClosed("the sidecar ended without a word")
            time.sleep(0.01)
        if lines[0]["message"] != Line.LISTENING:
            raise GateClosed(str(lines[0].get("detail")))

    def start_workload(
        self, name: str, argv: Sequence[str] | None = None, **streams: Any
    ) -> "subprocess.Popen[str]":
        """Start a container's own command, or another command in the same container (`kubectl exec`)."""
        spec = _named(self._pod["spec"]["containers"], name)
        return self._start(self.container(spec), argv=argv, **streams)

    def command(self, name: str) -> list[str]:
        """A container's own command and arguments."""
        spec = _named(self._pod["spec"]["containers"], name)
        return [*(spec.get("command") or []), *(spec.get("args") or [])]

    def home(self, name: str) -> Path:
        """The working folder of a container, without namespaces."""
        return self._scratch / f"home-of-{name}"

    def container(self, spec: Mapping[str, Any]) -> Container:
        variables = expanded(spec.get("env") or [])
        return Container(
            name=spec["name"],
            command=[*(spec.get("command") or []), *(spec.get("args") or [])],
            variables={**IMAGE_VARIABLES, **variables},
            mounts=[self._mount(mount) for mount in spec.get("volumeMounts") or []],
            working_dir=spec.get("workingDir"),
            is_root_read_only=bool((spec.get("securityContext") or {}).get("readOnlyRootFilesystem")),
            further_image=self._further_image,
        )

    def _mount(self, mount: Mapping[str, Any]) -> Mount:
        source = self._volumes[mount["name"]] / mount.get("subPath", "")
        return Mount(source, mount["mountPath"], bool(mount.get("readOnly")))

    def _start(
        self, container: Container, argv: Sequence[str] | None = None, **streams: Any
    ) -> "subprocess.Popen[str]":
        process = start(container, self._scratch, isolate=self._isolate, argv=argv, **streams)
        self._started.append(process)
        return process


def _named(containers: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(container for container in containers if container["name"] == name)


def make_volumes(pod: Mapping[str, Any], folder: Path, token: Secret) -> dict[str, Path]:
    """A folder for each volume, by name. A projected token lies at its `path`; other volumes are empty."""
    volumes = {}
    for volume in pod["spec"].get("volumes") or []:
        target = folder / volume["name"]
        target.mkdir(parents=True)
        for source in (volume.get("projected") or {}).get("sources") or []:
            if "serviceAccountToken" in source:
                (target / source["serviceAccountToken"]["path"]).write_text(token.reveal())
        volumes[volume["name"]] = target
    return volumes


def end(process: "subprocess.Popen[str]") -> None:
    """Send SIGTERM to its group, then SIGKILL. With a namespace's first process all others end.

    The signal goes to the group, because unshare(1) ignores SIGTERM while it waits for its child.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)

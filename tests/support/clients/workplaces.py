"""One injected Pod with a container for each circumstance, in which real clients do their work.

The Pod is reviewed by the real webhook, its sidecar runs as the patch says, and each container is a root of
its own with this machine's programs, and with the variables and files of the patch. It has no
`/etc/resolv.conf`: a client that would fall back to pypi.org cannot even look it up.
"""

import copy
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.machine.ports import free_port
from webhook import names
from webhook.demo.containers import IMAGE_PATH
from webhook.demo.kubelet import PodProcesses
from webhook.demo.reviewing import ask_admission
from webhook.demo.stage import Stage, example

PATIENCE_SECONDS = 180.0
"""Of one job: the slowest client takes ten seconds on an idle machine"""

FOREIGN_HOME = "/home/another"
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_WORK = "/tmp"
_OWN_PLACE = {f"XDG_{kind}_HOME": f"$PWD/own/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA", "STATE")}


@dataclass(frozen=True, slots=True)
class Circumstance:
    """How a container differs from one that runs as root, as most images of Python do."""

    user: int = 0
    home: str | None = "/root"
    """What the container runtime sets; for a user whom nobody knows it is `/`"""
    is_root_read_only: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_home_writable(self) -> bool:
        return self.user == 0 and not self.is_root_read_only

    def container(self, name: str) -> dict[str, Any]:
        """As a Pod's author would write it: everything is written below /tmp."""
        found: dict[str, Any] = {
            "name": name,
            "image": "python:3.13-slim",
            "env": [{"name": name, "value": value} for name, value in self.variables.items()],
            "volumeMounts": [{"name": "work", "mountPath": _WORK}],
        }
        if self.is_root_read_only:
            found["securityContext"] = {"readOnlyRootFilesystem": True}
        return found

    def command(self, script: str, variables: Mapping[str, str], *, needs_place: bool) -> list[str]:
        """Shell commands that become this user with this home, in an empty folder, and run the script.

        A user namespace inside the container's shows the user; capabilities end with the change.
        """
        lines = []
        if self.home == FOREIGN_HOME:
            lines.append(f"mkdir -p /home; mkdir -m 000 {FOREIGN_HOME}")
        become = f"unshare --user --map-user={self.user} --map-group={self.user}" if self.user else ""
        home = "-u HOME" if self.home is None else f"HOME={self.home}"
        settings = shlex.join(f"{name}={value}" for name, value in variables.items())
        own = _OWN_PLACE if needs_place and not self.is_home_writable else {}
        inner = ['cd "$(mktemp -d)"', *(f'export {name}="{value}"' for name, value in own.items()), script]
        shell = shlex.join(["sh", "-euxc", "\n".join(inner)])
        lines.append(f"exec {become} env {home} {settings} {shell}")
        return ["sh", "-euc", "\n".join(lines)]


@dataclass(frozen=True, slots=True)
class Done:
    """A job that has ended."""

    exit_code: int
    said: str


class Workplace:
    """The running Pod. Scripts of several threads may run at once."""

    def __init__(
        self, processes: PodProcesses, circumstances: Mapping[str, Circumstance], files: Path
    ) -> None:
        self._processes = processes
        self._circumstances = circumstances
        self.files = files
        """What lies here, the containers see in /tmp"""

    def run(
        self,
        circumstance: str,
        script: str,
        *,
        environment: Path | None = None,
        needs_place: bool = False,
        **variables: str,
    ) -> Done:
        """Run a shell script, each line of it echoed; `environment` holds the client, before all others."""
        path = f"{environment}/bin:{IMAGE_PATH}" if environment else IMAGE_PATH
        command = self._circumstances[circumstance].command(
            script, {"PATH": path, **variables}, needs_place=needs_place
        )
        process = self._processes.start_workload(
            circumstance, command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        return Done(process.returncode, said)

    @property
    def log(self) -> str:
        """The sidecar's log so far."""
        return self._processes.sidecar_log.read_text()


@contextmanager
def workplace(
    stage: Stage, folder: Path, circumstances: Mapping[str, Circumstance], image: Sequence[Path]
) -> Iterator[Workplace]:
    """`image` are the folders that the containers see beside the system's."""
    pod = copy.deepcopy(example("pod.yaml")[0])
    pod["metadata"]["annotations"] |= {names.PORT: str(free_port()), names.LOG_LEVEL: "debug"}
    pod["spec"]["containers"] = [one.container(name) for name, one in circumstances.items()]
    pod["spec"]["volumes"] = [{"name": "work", "emptyDir": {}}]
    reviewed, _ = ask_admission(stage, pod)
    token = stage.create_pod(reviewed)
    with PodProcesses(reviewed, folder, token, isolate=True, further_image=image) as processes:
        processes.start_sidecar()
        yield Workplace(processes, circumstances, folder / "volumes" / "work")

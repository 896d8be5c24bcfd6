"""Programs built from Go modules, once per version: Kubernetes with etcd, CoreDNS, pause; and Gitea.

From modules and not from release archives, because a package proxy is reachable on more machines than a
download server, and because go.sum pins every byte. Nothing here needs root.
"""

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.places import CACHE, HERE, keyed
from node.problems import Broken, Missing

COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
"""What the one Kubernetes binary is, by the name that it is called with: 160 MB in all, not 100 each"""

VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Both, or the server calls itself v0.0.0-master, and kubectl warns of the skew"""


@dataclass(frozen=True, slots=True)
class Program:
    """A Go module of ours that holds one program."""

    name: str
    module: str | None
    """The requirement in go.mod whose version names the result; None for a program all of our own"""
    minutes: str
    """How long a first build takes on two cores: said before it begins"""
    data: tuple[str, ...] = ()
    """Folders of the module that the program reads at work; they lie beside it"""

    @property
    def source(self) -> Path:
        return HERE / self.name

    @property
    def version(self) -> str:
        if self.module is None:
            return "own"
        text = (self.source / "go.mod").read_text()
        found = re.search(rf"^(?:require|\s)\s*{re.escape(self.module)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise Broken(f"{self.source / 'go.mod'} does not require {self.module}")
        return found[1]

    @property
    def folder(self) -> Path:
        return keyed(self.name, self.version, *sorted(self.source.iterdir()))

    @property
    def binary(self) -> Path:
        return self.folder / self.name

    @property
    def is_built(self) -> bool:
        return self.binary.exists()


KUBERNETES = Program("kubernetes", "k8s.io/kubernetes", "about 12 minutes")
COREDNS = Program("coredns", "github.com/coredns/coredns", "about 3 minutes")
PAUSE = Program("pause", None, "seconds")
PROGRAMS = (KUBERNETES, COREDNS, PAUSE)
"""The cluster's"""
GITEA = Program("gitea", "code.gitea.io/gitea", "about 6 minutes", data=("options", "public", "templates"))
"""A registry for the tests"""


def build(say: Callable[[str], None], programs: Sequence[Program] = PROGRAMS) -> None:
    """Builds the missing programs."""
    for program in programs:
        if not program.is_built:
            with _lock(program, say):
                if not program.is_built:  # another process may have built it while this one waited
                    _build(program, say)


def missing() -> str | None:
    """The reason why the cluster's programs cannot be built here, or None."""
    if all(program.is_built for program in PROGRAMS) or shutil.which("go"):
        return None
    return "Go is not installed, and Kubernetes has not been built yet: install Go 1.26 or newer"


def _build(program: Program, say: Callable[[str], None]) -> None:
    if shutil.which("go") is None:
        raise Missing(f"{program.name} is not built, and Go is not installed: install Go 1.26 or newer")
    say(f"building {program.name} {program.version} (once, {program.minutes} on two cores)")
    begin = time.monotonic()
    program.folder.mkdir(parents=True, exist_ok=True)
    new = program.folder / ".new"
    # Pure Go: one static binary, no C compiler. The local toolchain only: downloading one is a surprise.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    arguments = [
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        _linker_flags(program.version),
        "-o",
        str(new),
        ".",
    ]
    result = subprocess.run(["go", "build", *arguments], cwd=program.source, env=environment, check=False)
    if result.returncode != 0:
        raise Broken(f"go build of {program.name} in {program.source} failed; its output stands above")
    _copy_data(program, environment)
    if program is KUBERNETES:
        for component in COMPONENTS:
            (program.folder / component).unlink(missing_ok=True)
            (program.folder / component).symlink_to(program.name)
    new.rename(program.binary)  # last: what has its name is whole
    say(f"built {program.name} {program.version} in {time.monotonic() - begin:.0f} s")


def _copy_data(program: Program, environment: Mapping[str, str]) -> None:
    if not program.data:
        return
    command = ["go", "list", "-m", "-f", "{{.Dir}}", str(program.module)]
    found = subprocess.run(
        command, cwd=program.source, env=environment, capture_output=True, text=True, check=True
    )
    for name in program.data:
        copy = program.folder / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(Path(found.stdout.strip()) / name, copy, copy_function=shutil.copyfile)
        for folder in (copy, *copy.rglob("*/")):  # read-only, as in the module cache: nobody could remove it
            folder.chmod(0o755)


def _linker_flags(version: str) -> str:
    minor = version.split(".")[1] if "." in version else "0"
    stamps = {
        "gitVersion": version,
        "gitMajor": "1",
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
        "buildDate": "1970-01-01T00:00:00Z",
    }
    flags = [f"-X {package}.{key}={value}" for package in VERSION_PACKAGES for key, value in stamps.items()]
    return " ".join(["-s", "-w", *flags])


@contextmanager
def _lock(program: Program, say: Callable[[str], None]) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{program.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that builds {program.name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

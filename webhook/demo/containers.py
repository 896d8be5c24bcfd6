"""The containers of a Pod as processes on this machine: each has a root, mounts, variables and a command.

With user namespaces (unprivileged on Linux), each container has an empty root of its own. This machine's
programs are bound into it read-only, as the image. The container sees its own processes only. The containers
share the network, as in a Pod. Without user namespaces the same commands run with prefixed paths, and nothing
isolates them.
"""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.contract import words

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = (
    "/etc/ssl",
    "/etc/ca-certificates",
    "/etc/pki",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/localtime",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

IMAGE_PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
"""PATH in the image of every container here: this interpreter comes first"""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine, and the path at which a container sees it."""

    source: Path
    target: str
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the kubelet would start it."""

    name: str
    command: Sequence[str]
    variables: Mapping[str, str]
    mounts: Sequence[Mount]
    working_dir: str | None = None
    is_root_read_only: bool = False
    further_image: Sequence[Path] = ()
    """Folders of this image, in addition to the common folders"""


def image_folders() -> list[str]:
    """The folders that stand for a container's image: this machine's programs, and no files of a user."""
    environment = Path(sys.prefix), Path(sys.base_prefix), Path(words.__file__).parents[1]
    folders = [*_SYSTEM, *map(str, dict.fromkeys(environment))]
    return [folder for folder in folders if Path(folder).exists()]


def isolation_works(scratch: Path) -> bool:
    """Whether this machine allows user namespaces: some kernels and sandboxes do not."""
    if shutil.which("unshare") is None:
        return False
    probe = Container("probe", ["true"], {"PATH": IMAGE_PATH}, [])
    process = start(probe, scratch, isolate=True, stderr=subprocess.DEVNULL)
    return process.wait() == 0


def start(
    container: Container, scratch: Path, *, isolate: bool, argv: Sequence[str] | None = None, **streams: Any
) -> "subprocess.Popen[str]":
    """Start the container's command, or `argv` in the same container (a hook, an `exec`).

    `scratch` is an empty folder. The root is mounted there; without namespaces, homes lie there.
    """
    command = list(argv or container.command)
    streams.setdefault("stdin", subprocess.DEVNULL)
    environment = dict(container.variables)
    if isolate:
        unshare = shutil.which("unshare") or "unshare"
        flags = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
        command = [unshare, *flags, "sh", "-euc", _enter_script(container, scratch), "enter", *command]
        folder = None
    else:
        command = [translate(argument, container) for argument in command]
        environment = {name: translate(value, container) for name, value in environment.items()}
        folder = scratch / f"home-of-{container.name}"
        folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        command, env=environment, cwd=folder, text=True, start_new_session=True, **streams
    )


def translate(text: str, container: Container) -> str:
    """Without namespaces: a text of the Pod in which the real paths replace the mount paths."""
    for mount in sorted(container.mounts, key=lambda mount: -len(mount.target)):
        text = text.replace(mount.target, str(mount.source))
    return text


def _enter_script(container: Container, scratch: Path) -> str:
    """Shell commands that build the root, enter it for good (pivot_root(2)) and run the arguments."""
    root = str(scratch)
    lines = [
        "image_path=$PATH; PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        # the second form repeats flags that a user namespace must not clear (mount_namespaces(7))
        "read_only() { mount -o remount,bind,ro $1 || mount -o remount,bind,ro,nosuid,nodev $1; }",
        "mount --make-rprivate /",
        f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(root)}",
    ]
    for file in (*_SYSTEM_FILES, *_DEVICES):
        if Path(file).exists():
            lines += _bind(Path(file), root + file, is_read_only=False)
    lines += [
        *_commands(root, "mkdir -p {}/proc {}/tmp {}/root {}/run {}/.old"),
        *_commands(root, "ln -s /proc/self/fd {}/dev/fd"),
        *_commands(root, "mount -t proc proc {}/proc"),
        *_bind_folders(container, root),
        *_commands(root, "cd {}"),
        "pivot_root . .old",
        "umount -l /.old",
        "rmdir /.old",
        "mount -o remount,ro /" if container.is_root_read_only else "",
        f"cd {shlex.quote(container.working_dir or '/')}",
        "PATH=$image_path",
        'exec /usr/bin/env -u PWD -u OLDPWD "$@"',  # `cd` has set them
    ]
    return "\n".join(line for line in lines if line)


def _bind_folders(container: Container, root: str) -> list[str]:
    """Image and volumes, parent folders first: a volume at /tmp does not hide a checkout in /tmp."""
    image = [*image_folders(), *map(str, container.further_image)]
    steps = [(folder, _bind_image(Path(folder), root)) for folder in image]
    for mount in container.mounts:
        bind = _bind(mount.source, root + mount.target, is_read_only=mount.is_read_only)
        steps.append((mount.target, bind))
    return [line for _, lines in sorted(steps, key=lambda step: len(step[0])) for line in lines]


def _commands(root: str, template: str) -> list[str]:
    return [template.replace("{}", shlex.quote(root))]


def _bind_image(folder: Path, root: str) -> list[str]:
    if folder.is_symlink():  # /bin is /usr/bin on most systems
        return [f"ln -s {shlex.quote(str(folder.readlink()))} {shlex.quote(root + str(folder))}"]
    return _bind(folder, root + str(folder), is_read_only=True)


def _bind(source: Path, target: str, *, is_read_only: bool) -> list[str]:
    here, there = shlex.quote(str(source)), shlex.quote(target)
    parent = shlex.quote(str(Path(target).parent))
    make = f"mkdir -p {there}" if source.is_dir() else f"mkdir -p {parent}; : > {there}"
    lines = [make, f"mount --bind {here} {there}"]
    return [*lines, f"read_only {there}"] if is_read_only else lines

"""An empty PostgreSQL on a port of its own: Debian's, which does not run as root."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import install_debian_packages
from support.kubernetes.clusters import unavailable
from support.machine.environments import clean
from support.machine.ports import free_port
from support.servers.programs import START_SECONDS, running_program

_PACKAGE = "postgresql"
_OWNER = "postgres"
"""Comes with the package"""


@dataclass(frozen=True, slots=True)
class Postgres:
    programs: Path
    """The folder of one version"""
    port: int
    user: str
    """Who needs no password"""

    def dump(self, target: Path) -> None:
        """Dump all data, for another server to load."""
        self._run("pg_dump", f"--file={target}")

    def load(self, source: Path) -> None:
        self._run("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={source}")

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        ask = [str(self.programs / "pg_isready"), "--quiet", *self._where()]
        while subprocess.run(ask, env=clean(), check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _run(self, program: str, *options: str) -> None:
        run([str(self.programs / program), *self._where(), "--dbname=postgres", *options])

    def _where(self) -> list[str]:
        return ["--host=127.0.0.1", f"--port={self.port}", f"--username={self.user}"]


@contextmanager
def postgres(user: str, log: Path) -> Iterator[Postgres]:
    """A server for the block. Its data is deleted at the end."""
    found = Postgres(_find_programs(), free_port(), user)
    # not in a folder of pytest's: those let nobody else in
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        before = ["env", f"--chdir={folder}"]
        if os.geteuid() == 0:
            shutil.chown(folder, _OWNER)
            before += ["setpriv", f"--reuid={_OWNER}", f"--regid={_OWNER}", "--clear-groups"]
        data = ["-D", f"{folder}/data"]
        init = [*data, "--auth=trust", f"--username={user}", "--no-sync"]
        run([*before, str(found.programs / "initdb"), *init])
        # an empty -k: no socket in a folder of the system's
        serve = [*data, "-h", "127.0.0.1", "-p", str(found.port), "-k", "", "-c", "fsync=off"]
        with running_program([*before, str(found.programs / "postgres"), *serve], log):
            found.wait()
            yield found


def run(command: list[str], **variables: str) -> None:
    """Run a program, which must succeed."""
    done = subprocess.run(command, env=clean(**variables), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _find_programs() -> Path:
    found = _installed()
    if found is None and os.environ.get("CI") == "true" and os.geteuid() == 0 and shutil.which("apt-get"):
        install_debian_packages([_PACKAGE])
        found = _installed()
    return found or unavailable(f"PostgreSQL is not installed (Debian: {_PACKAGE})")


def _installed() -> Path | None:
    """The folder of a server's programs; Debian keeps them off PATH, each version by itself."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb", path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
    return Path(found).resolve().parent if found else None

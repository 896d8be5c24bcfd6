"""Gitea with its package registry, over TLS: a real one, built once from Go modules."""

import functools
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from certs.authority import issue_leaf
from support.certificates.authority import HOSTS, authority
from support.checkout import environment_with_tests
from support.kubernetes.clusters import PROGRAM, unavailable
from support.machine.environments import clean
from support.machine.ports import free_port
from support.servers.programs import RegistryServer, running_program, wait_for_answer

_USER = "robot"

_SETTINGS = """
RUN_MODE = prod
WORK_PATH = {folder}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
PROTOCOL = https
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = {root}
CERT_FILE = {folder}/tls.crt
KEY_FILE = {folder}/tls.key
STATIC_ROOT_PATH = {data}
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
[service]
REQUIRE_SIGNIN_VIEW = true
DISABLE_REGISTRATION = true
[oauth2]
ENABLED = false
[indexer]
ISSUE_INDEXER_TYPE = db
[log]
LEVEL = warn
"""


@contextmanager
def gitea(folder: Path) -> Iterator[RegistryServer]:
    """Everything needs the password, files too. Uploads go to the address itself."""
    program = _program()
    port = free_port()
    root = f"https://127.0.0.1:{port}/"
    leaf = issue_leaf(authority("ours"), HOSTS, datetime.now(UTC))
    (folder / "tls.crt").write_text(leaf.certificate)
    (folder / "tls.key").write_text(leaf.key)
    settings = folder / "app.ini"
    settings.write_text(
        _SETTINGS.format(folder=folder, port=port, root=root, data=program.parent, secret=secrets.token_hex())
    )
    password = "canary-" + secrets.token_hex(8)
    command = [str(program), "--config", str(settings)]
    user = ["--username", _USER, "--password", password, "--email", "robot@example.com"]
    for step in (["migrate"], ["admin", "user", "create", *user, "--must-change-password=false"]):
        done = subprocess.run(
            [*command, *step], env=clean(HOME=str(folder)), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with running_program([*command, "web"], folder / "gitea.log"):
        wait_for_answer(f"http://127.0.0.1:{port}/")  # 400: it wants TLS
        yield RegistryServer(f"{root}api/packages/{_USER}/pypi", _USER, password, "simple/")


@functools.cache
def _program() -> Path:
    done = subprocess.run(
        [*PROGRAM, "gitea"], env=environment_with_tests(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        unavailable(done.stderr.strip())
    return Path(done.stdout.strip())

"""Pulp with its Python plugin, over TLS: API, content and worker on a PostgreSQL of their own."""

import base64
import hashlib
import json
import shutil
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from certs.authority import issue_leaf
from support.certificates.authority import HOSTS, authority, ca
from support.machine.environments import environment
from support.machine.ports import free_port
from support.servers.fronts import front
from support.servers.postgres import Postgres, postgres, run
from support.servers.programs import START_SECONDS, RegistryServer, running_program, wait_for_answer

_USER = "admin"
"""Whom Pulp makes itself"""
_PASSWORD = "canary-of-pulp"
_PAIR = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()

_KEY = "A" * 43 + "="
"""Of Fernet; always the same, for what is kept of the database is in part encrypted"""

_REST = "/pulp/api/v3/"

CONTENT = "/pulp/content/"
"""Path prefix of its content app, which has published pages and all files"""

_SETTINGS = """
SECRET_KEY = "of nothing that is secret"
DB_ENCRYPTION_KEY = "{folder}/key"
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql",
    "HOST": "127.0.0.1", "PORT": {port}, "NAME": "postgres", "USER": "{user}",
}}}}
CONTENT_ORIGIN = "{content}"
PYPI_API_HOSTNAME = "{api}"
DEPLOY_ROOT = "{folder}"
MEDIA_ROOT = "{folder}/media"
STATIC_ROOT = "{folder}/assets"
WORKING_DIRECTORY = "{folder}/tmp"
FILE_UPLOAD_TEMP_DIR = "{folder}/tmp"
CACHE_ENABLED = False
ANALYTICS = False
# the one that Django uses takes a third of a second for each request
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""

_SET_UP = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("reset-admin-password", password=sys.argv[1])
"""
"""In one process: each imports the whole of Pulp first"""


@dataclass(frozen=True, slots=True)
class Pulp:
    api: str
    """Origin of the API alone"""
    content: str
    """Origin that Pulp calls its content's. It serves the API, too"""
    content_log: Path

    def distribute(self, name: str) -> RegistryServer:
        """An index of a new repository, which always serves its latest version."""
        repository = self._ask("repositories/python/python/", {"name": name})["pulp_href"]
        return self._distribute({"name": name, "repository": repository})

    def publish(self, server: RegistryServer, suffix: str = "published") -> RegistryServer:
        """Another index, of the present content of the first index's repository. Uploads go to the first."""
        name = server.address.split("/")[-2]
        repository = self._ask(f"repositories/python/python/?name={name}")["results"][0]["pulp_href"]
        publication = self._perform("publications/python/pypi/", {"repository": repository})
        found = self._distribute({"name": f"{name}-{suffix}", "publication": publication})
        return replace(found, extensions=server.extensions)

    def guard(self, server: RegistryServer) -> None:
        """From now on its files and published pages need the password."""
        guard = self._ask("contentguards/core/rbac/", {"name": server.address})["pulp_href"]
        name = server.address.split("/")[-2]
        index = self._ask(f"distributions/python/pypi/?name={name}")["results"][0]["pulp_href"]
        self._ask(index.removeprefix(_REST), {"content_guard": guard}, "PATCH")
        self.finish_tasks()

    def finish_tasks(self) -> None:
        """Wait for the tasks that put uploads on pages."""
        deadline = time.monotonic() + START_SECONDS
        while self._ask("tasks/?state__in=waiting,running")["count"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def on_one_origin(self, server: RegistryServer) -> RegistryServer:
        """The same index where its files are. Of that origin, it opens the content of this index alone."""
        address, upload = (
            url.replace(self.api, self.content) for url in (server.address, server.extensions["upload"])
        )
        files = f"{self.content}{CONTENT}{address.split('/')[-2]}/"
        return replace(server, address=address, extensions={"upload": upload, "files": files})

    def status(self, path: str, *, has_password: bool) -> int:
        """Of a GET at the content's origin, without any proxy of ours."""
        headers = {"Authorization": f"Basic {_PAIR}"} if has_password else {}
        try:
            with self._open(urllib.request.Request(f"{self.content}{path}", headers=headers)) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def credentials_at_content(self) -> list[tuple[str, str]]:
        """Path and Authorization of each request so far, `-` where there was none."""
        lines = (line.split(maxsplit=3) for line in self.content_log.read_text().splitlines())
        return [(path, authorization) for _, path, _, authorization in lines]

    def _distribute(self, what: dict[str, str]) -> RegistryServer:
        self._perform("distributions/python/pypi/", {**what, "base_path": what["name"]})
        address = f"{self.api}/pypi/{what['name']}/"
        extensions = {"upload": f"{address}legacy/", "files": self.content}
        return RegistryServer(address, _USER, _PASSWORD, "simple/", extensions=extensions)

    def _perform(self, path: str, body: dict[str, str]) -> str:
        """Perform the request and its task; the path of the task's result."""
        task = self._ask(path, body)["task"]
        self.finish_tasks()
        done = self._ask(task.removeprefix(_REST))
        assert done["state"] == "completed", done
        created: list[str] = done["created_resources"]
        return created[0]

    def _ask(self, path: str, body: dict[str, str] | None = None, method: str | None = None) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {_PAIR}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}{_REST}{path}", data, headers, method=method)
        with self._open(request) as answer:
            return json.loads(answer.read())

    def _open(self, request: urllib.request.Request) -> Any:
        return urllib.request.urlopen(request, timeout=30, context=_trust())


@contextmanager
def pulp(folder: Path) -> Iterator[Pulp]:
    """Everybody may read what no guard protects. Uploads need the password. Files are on another origin."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres("pulp", folder / "postgres.log"))
        api, content, app = (f"https://127.0.0.1:{free_port()}" for _ in range(3))
        found = Pulp(api, content, folder / "content-requests.log")
        variables = _configure(folder, found, database)
        _fill(database, variables)
        tls = f"--certfile {folder}/tls.crt --keyfile {folder}/tls.key --no-control-socket --workers 1"
        requests = ["--access-logfile", str(found.content_log), "--access-logformat", "%r %{Authorization}i"]
        programs: tuple[tuple[str, list[str]], ...] = (
            ("api", ["--bind", api.removeprefix("https://")]),
            ("content", ["--bind", app.removeprefix("https://"), *requests]),
            ("worker", []),
        )
        for name, options in programs:
            command = [str(environment("pulp") / "bin" / f"pulpcore-{name}"), *options]
            log = folder / f"{name}.log"
            stack.enter_context(running_program(command, log, GUNICORN_CMD_ARGS=tls, **variables))
        for origin in (api, app):
            wait_for_answer(f"{origin}/", _trust())
        port = int(content.rpartition(":")[2])
        stack.enter_context(front(folder, port, {CONTENT: app, "/": api}))
        wait_for_answer(f"{content}/", _trust())
        yield found
    shutil.rmtree(folder / "media", ignore_errors=True)


def _configure(folder: Path, server: Pulp, database: Postgres) -> dict[str, str]:
    """The variables that its programs need."""
    for name in ("media", "assets", "tmp"):
        (folder / name).mkdir()
    leaf = issue_leaf(authority("ours"), HOSTS, datetime.now(UTC))
    settings = _SETTINGS.format(
        folder=folder, port=database.port, user=database.user, content=server.content, api=server.api
    )
    texts = {
        "settings.py": settings,
        "key": _KEY,
        "tls.crt": leaf.certificate,
        "tls.key": leaf.key,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {"PULP_SETTINGS": str(folder / "settings.py"), "DJANGO_SETTINGS_MODULE": "pulpcore.app.settings"}


def _fill(database: Postgres, variables: dict[str, str]) -> None:
    """Fill it with the result of Pulp's migrations. The result is cached, because they take longest."""
    home = environment("pulp")
    key = f"{_SETTINGS}{_SET_UP}{_PASSWORD}{_KEY}{database.programs}"
    kept = home / f"database-{hashlib.sha256(key.encode()).hexdigest()[:12]}.sql"
    if kept.exists():
        database.load(kept)
        return
    run([str(home / "bin" / "python"), "-c", _SET_UP, _PASSWORD], **variables)
    with tempfile.NamedTemporaryFile(dir=home, delete=False) as file:
        database.dump(Path(file.name))
        Path(file.name).rename(kept)


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca())

"""Real registries with a password: pypiserver and devpi-server, on ports of their own."""

import base64
import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.machine.environments import clean, environment
from support.machine.ports import free_port
from webhook.demo.services import htpasswd_line

START_SECONDS = 60.0  # devpi makes a database first, on a machine that may be three times slower


@dataclass(frozen=True)
class RegistryServer:
    """A running registry and what a Connector says about it."""

    address: str
    username: str
    password: str
    index_path: str
    packages: Path | None = None
    """Where pypiserver keeps its files"""
    extensions: Mapping[str, str] = field(default_factory=dict)
    """Its `addressExtensions`, each with its name"""

    def manifests(self, name: str = "registry", namespace: str = "default", ca: str = "") -> str:
        """Secrets and Connector, as an administrator would write them."""
        metadata = {"name": name, "namespace": namespace}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "kubernetes.io/basic-auth",
            "stringData": {"username": self.username, "password": self.password},
        }
        bundle = {
            **secret,
            "metadata": {"name": f"{name}-ca", "namespace": namespace},
            "type": "Opaque",
            "stringData": {"ca.crt": ca},
        }
        connector = {
            "apiVersion": "connectors.alauda.io/v1alpha1",
            "kind": "Connector",
            "metadata": metadata,
            "spec": {
                "connectorClassName": "pypi",
                "address": self.address,
                "addressExtensions": [{"name": key, "value": url} for key, url in self.extensions.items()],
                "auth": {"name": "basicAuth", "secretRef": {"name": name}},
                "params": [{"name": "indexPath", "value": self.index_path}],
                **({"caCertSecretRef": {"name": f"{name}-ca"}} if ca else {}),
            },
        }
        return "\n---\n".join(map(json.dumps, (secret, *([bundle] if ca else []), connector))) + "\n"


@contextmanager
def pypiserver(folder: Path, *, fallback_url: str | None = None) -> Iterator[RegistryServer]:
    """Everything needs the password: listing, downloading, uploading. A miss is redirected, or 404."""
    password = "canary-" + secrets.token_hex(8)
    packages = folder / "packages"
    packages.mkdir(parents=True)
    (folder / "htpasswd").write_text(htpasswd_line("robot", password))
    port = free_port()
    program = Path(sys.executable).with_name("pypi-server")
    options = [
        "-p",
        str(port),
        "-i",
        "127.0.0.1",
        "-P",
        str(folder / "htpasswd"),
        "-a",
        "list,download,update",
    ]
    options += ["--fallback-url", fallback_url] if fallback_url else ["--disable-fallback"]
    options += [str(packages)]
    with running_program([str(program), "run", *options], folder / "pypiserver.log"):
        address = f"http://127.0.0.1:{port}"
        wait_for_answer(address + "/simple/")
        yield RegistryServer(address, "robot", password, "simple/", packages)


@contextmanager
def devpi(folder: Path) -> Iterator[RegistryServer]:
    """An index that asks for the password of uploads only; its links leave the index path."""
    password = "canary-" + secrets.token_hex(8)
    home = environment("devpi")
    store = folder / "devpi"
    store.mkdir(parents=True)
    (folder / "root-password").write_text(password)
    data = ["--serverdir", str(store)]
    init = [str(home / "bin" / "devpi-init"), *data, "--no-root-pypi", "--root-passwd", password]
    subprocess.run(init, check=True, env=clean(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    port = free_port()
    serve = [str(home / "bin" / "devpi-server"), *data, "--host", "127.0.0.1", "--port", str(port)]
    with running_program(serve, folder / "devpi.log"):
        address = f"http://127.0.0.1:{port}"
        wait_for_answer(address + "/+api")
        _make_index(address, password)
        yield RegistryServer(f"{address}/root/team/", "root", password, "+simple/")
    shutil.rmtree(store, ignore_errors=True)


def make_devpi_mirror(server: RegistryServer, name: str, url: str) -> RegistryServer:
    """An index `root/<name>` of that devpi that mirrors another registry."""
    address = server.address.removesuffix("/root/team/")
    mirror = {"type": "mirror", "mirror_url": url, "volatile": True, "mirror_use_external_urls": False}
    _call(f"{address}/root/{name}", "PUT", mirror, _log_in(address, server.password))
    return RegistryServer(f"{address}/root/{name}/", server.username, server.password, server.index_path)


def _log_in(address: str, password: str) -> str:
    token = _call(f"{address}/+login", "POST", {"user": "root", "password": password})["result"]["password"]
    return base64.b64encode(f"root:{token}".encode()).decode()


def _make_index(address: str, password: str) -> None:
    """An index `root/team` on top of `root/base`, so that inherited links point out of it."""
    login = _log_in(address, password)
    base = {"type": "stage", "volatile": True, "bases": [], "acl_upload": ["root"]}
    _call(f"{address}/root/base", "PUT", base, login)
    _call(f"{address}/root/team", "PUT", {**base, "bases": ["root/base"]}, login)


def _call(
    url: str, method: str, body: dict[str, object], login: str | None = None
) -> dict[str, dict[str, str]]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if login:
        headers["X-Devpi-Auth"] = login
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, dict[str, str]] = json.loads(answer.read())
        return found


@contextmanager
def running_program(command: list[str], log: Path, **variables: str) -> Iterator[None]:
    """A server's process, without this machine's environment. It and its children end with the block."""
    environment = clean(HOME=str(log.parent), **variables)
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_answer(url: str, context: ssl.SSLContext | None = None) -> None:
    """Wait for any answer, even a refusal."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5, context=context).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return

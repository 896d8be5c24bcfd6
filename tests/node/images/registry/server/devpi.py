"""devpi-server with one user and the index `root/team` on top of `root/base`: inherited links leave it.

A Connector's address is `…/root/team/` with `indexPath: +simple/`. Uploads need the password, reading is
free: that is devpi's way. Its own log names neither header nor password. The user is made at the first start:
a credential that changes later is not followed.
"""

import base64
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import requests

from server.relay import relay
from server.settings import Credential, Settings
from server.tls import server_context

START_SECONDS = 60.0
# the defaults take 9 s for each start, and this password protects nothing
_QUICK = ["--argon2-time-cost", "1", "--argon2-memory-cost", "1024"]


def serve(settings: Settings) -> None:
    credential = settings.credential() or Credential("root", "")
    folder = settings.data / "devpi"
    holder = _hold_port()
    port = int(holder.getsockname()[1])
    is_new = not folder.exists()
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "HOME": str(settings.data)}
    root_password = (
        credential.password if credential.username == "root" else base64.b64encode(os.urandom(9)).decode()
    )
    if is_new:
        init = ["devpi-init", "--serverdir", str(folder), "--no-root-pypi", "--root-passwd", root_password]
        subprocess.run(init, check=True, env=environment, stdout=subprocess.DEVNULL)
    command = [
        "devpi-server",
        "--serverdir",
        str(folder),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *_QUICK,
    ]
    process = subprocess.Popen(command, env=environment)
    threading.Thread(target=_end_with, args=(process,), daemon=True).start()
    origin = f"http://127.0.0.1:{port}"
    _wait(origin)
    if is_new:
        _fill(origin, root_password, credential, settings.packages)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    relay(settings.port, port, server_context(settings.tls))


def _fill(origin: str, root_password: str, credential: Credential, packages: Path) -> None:
    login = {"user": "root", "password": root_password}
    token = _call("POST", f"{origin}/+login", json=login)["result"]["password"]
    header = {"X-Devpi-Auth": base64.b64encode(f"root:{token}".encode()).decode()}
    if credential.username != "root":
        user = {"password": credential.password}
        _call("PUT", f"{origin}/{credential.username}", json=user, headers=header)
    index = {"type": "stage", "volatile": True, "bases": [], "acl_upload": [credential.username]}
    _call("PUT", f"{origin}/root/base", json=index, headers=header)
    _call("PUT", f"{origin}/root/team", json={**index, "bases": ["root/base"]}, headers=header)
    for wheel in sorted(packages.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        form = {
            ":action": "file_upload",
            "name": name,
            "version": version,
            "filetype": "bdist_wheel",
            "pyversion": "py3",
        }
        files = {"content": (wheel.name, wheel.read_bytes())}
        answer = requests.post(
            f"{origin}/root/base/",
            data=form,
            files=files,
            auth=(credential.username, credential.password),
            timeout=30,
        )
        answer.raise_for_status()


def _call(method: str, url: str, **options: Any) -> dict[str, Any]:
    answer = requests.request(method, url, timeout=30, **options)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _wait(origin: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{origin}/+api", timeout=5)
            return
        if time.monotonic() > deadline:
            sys.exit("registry: devpi-server does not answer")
        time.sleep(0.1)


def _end_with(process: "subprocess.Popen[bytes]") -> None:
    os._exit(process.wait() or 1)


def _hold_port() -> socket.socket:
    """A port that nobody else gets. It is bound and does not listen, so devpi, which shares, still can."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock

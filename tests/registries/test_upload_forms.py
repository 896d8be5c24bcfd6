"""Real servers do more at their upload address than take files. Through the proxy they do not."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.clients.client_runs import grant_of
from support.registries.registry_kinds import running_for_clients
from support.servers import programs
from support.sidecars.forms import BOUNDARY, TYPE
from support.sidecars.running import Reply, Sidecar
from webhook.demo.packages import make_wheel

pytestmark = pytest.mark.clients
FIELDS = {"protocol_version": "1", "name": "hello-form", "version": "1.0", "filetype": "bdist_wheel",
          "pyversion": "py3", "metadata_version": "2.1"}  # fmt: skip


def post(sidecar: Sidecar, fields: Mapping[str, str], file: Path | None = None) -> Reply:
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    if file is not None:
        parts.append(f'name="content"; filename="{file.name}"\r\n\r\n'.encode() + file.read_bytes())
    begin = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    body = b"".join(begin + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()
    return sidecar.ask("POST", "/", {"Content-Type": TYPE}, body)


def test_nobody_deletes_a_release_of_pypiserver(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "hello-form", "1.0")
    with (
        programs.pypiserver(tmp_path) as server,
        running_for_clients(tmp_path, grant_of(server)) as (sidecar, _),
    ):
        assert post(sidecar, {":action": "file_upload", **FIELDS}, wheel).status == 200
        deletion = {":action": "remove_pkg", "name": "hello-form", "version": "1.0"}
        assert post(sidecar, deletion).status == 400
        assert post(sidecar, {":action": "file_upload", **FIELDS, **deletion}, wheel).status == 400
        assert post(sidecar, {":action": "file_upload", **FIELDS}, wheel).status == 409
        assert wheel.name in sidecar.get("/simple/hello-form/").body.decode()


def test_nobody_pushes_a_release_of_devpi(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "hello-form", "1.0")
    with (
        programs.devpi(tmp_path) as server,
        running_for_clients(tmp_path, grant_of(server)) as (sidecar, _),
    ):
        assert post(sidecar, {":action": "file_upload", **FIELDS}, wheel).status == 200
        push = {"name": "hello-form", "version": "1.0", "targetindex": "root/base"}
        away = {"name": "hello-form", "version": "1.0", "posturl": "http://127.0.0.1:1/", "username": "a",
                "password": "b"}  # fmt: skip
        for wanted in (push, away):
            body = json.dumps(wanted).encode()
            assert sidecar.ask("POST", "/", {"Content-Type": "application/json"}, body).status == 415
            assert sidecar.ask("POST", "/", {"Content-Type": TYPE}, body).status == 400

"""Lock files name files by their URLs: a fresh Pod reads no page of the index before it asks for them."""

import re
from pathlib import Path

import pytest

from support.clients.client_runs import run_client
from support.registries.kinds import PROJECT, SDIST, WHEEL, files, kinds
from support.registries.registry_kinds import Scene, running_for_clients

pytestmark = pytest.mark.clients

PYPROJECT = f"""
[project]
name = "locked"
version = "0"
requires-python = ">=3.11"
dependencies = ["{PROJECT}"]
"""
OUTSIDE = {"azure": {WHEEL, SDIST}, "devpi": {SDIST}, "gitlab-group": {WHEEL, SDIST}}
"""Files that lie outside the Connector's address. The other kinds need no look at a page"""


@pytest.mark.parametrize("name", kinds())
def test_a_fresh_sidecar_serves_what_another_has_locked(scene: Scene, name: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    result = run_client({**scene.environment, "UV_NO_CACHE": "1"}, ["uv", "lock"], tmp_path)
    assert result.returncode == 0, result.stderr
    lock = (tmp_path / "uv.lock").read_text()
    folder = tmp_path / "fresh"
    folder.mkdir()
    with running_for_clients(folder, scene.declaration.grant) as (fresh, environment):
        local = f"http://127.0.0.1:{fresh.port}"
        (tmp_path / "uv.lock").write_text(lock.replace(scene.local, local))
        command = ["uv", "sync", "--frozen", "--no-cache"]
        result = run_client(environment, command, tmp_path)
        assert result.returncode == 0, result.stderr
        assert list(tmp_path.glob(".venv/lib/*/site-packages/hello_shape.py"))
        for url in re.findall(r'url = "([^"]+)"', lock):
            reply = fresh.get(url.removeprefix(scene.local))
            assert reply.body == files()[url.rpartition("/")[2]]
        looks = [line for line in fresh.lines if line.get("message", "").startswith("page read")]
        assert len(looks) == bool(OUTSIDE.get(name))

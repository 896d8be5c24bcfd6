"""Real pip, uv and twine against every kind of registry of `kinds/`, configured by variables alone."""

from pathlib import Path

import pytest

from support.clients.client_runs import UV, assert_installed, pip_install, run_client
from support.registries.kinds import PROJECT, WHEEL, files, kinds
from support.registries.registry_kinds import Scene

pytestmark = pytest.mark.clients

EACH = pytest.mark.parametrize("name", kinds())
UPLOADS = {name: kind.takes_uploads for name, kind in kinds().items()}
TAKING_UPLOADS = pytest.mark.parametrize("name", [name for name, takes in UPLOADS.items() if takes])
TAKING_NONE = pytest.mark.parametrize("name", [name for name, takes in UPLOADS.items() if not takes])


@EACH
def test_pip_installs(scene: Scene, tmp_path: Path) -> None:
    result = run_client(scene.environment, pip_install(PROJECT), tmp_path)
    assert_installed(result, "hello_shape.py", tmp_path)


@EACH
def test_uv_installs(scene: Scene, tmp_path: Path) -> None:
    result = run_client(scene.environment, [*UV, PROJECT], tmp_path)
    assert_installed(result, "hello_shape.py", tmp_path)


@TAKING_UPLOADS
def test_twine_uploads(scene: Scene, tmp_path: Path) -> None:
    wheel = tmp_path / WHEEL
    wheel.write_bytes(files()[WHEEL])
    command = ["twine", "upload", "--disable-progress-bar", str(wheel)]
    result = run_client(scene.environment, command, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    (upload,) = (one for origin in scene.origins.values() for one in origin.requests if one.method == "POST")
    assert files()[WHEEL] in upload.body
    assert upload.header("authorization") == scene.authorization


@TAKING_NONE
def test_an_upload_to_a_read_only_kind_ends_at_the_proxy(scene: Scene) -> None:
    reply = scene.sidecar.upload(b"x")
    assert reply.status == 403
    assert "may not upload" in reply.reason
    assert all(one.method != "POST" for one in scene.origins["registry"].requests)

"""The images as the node loads them: unpacked from their archives, started as the kubelet starts them.

No node is needed: a read-only root, an arbitrary user and no variables are made by `unshare` and `chroot`.
"""

import json
import os
import shutil
import socket
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sidecar.contract.words import COMMAND
from support.checkout import TESTS
from webhook.pod import start_gate
from webhook.pod.sidecar import NOBODY

BUILD = TESTS / "node/images/build.sh"
ARBITRARY_USER = "12345:0"
"""As OpenShift assigns them: a number that no file knows, in group 0"""

# Read-only, with /proc: what a Pod's container with `readOnlyRootFilesystem` has.
ENTER = """
mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t proc proc "$0/proc" || exit 99
user=$1; shift
exec env -i $IMAGE_ENV "$(command -v chroot)" --userspec="$user" --groups=0 "$0" "$@"
"""


@dataclass(frozen=True)
class Image:
    root: Path
    config: dict[str, Any]
    archive_bytes: int

    def run(
        self, *command: str, user: str = ARBITRARY_USER, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "unshare",
                "--mount",
                "--propagation=private",
                "sh",
                "-c",
                ENTER,
                str(self.root),
                user,
                *command,
            ],
            env={"PATH": os.environ["PATH"], "IMAGE_ENV": " ".join(self.config["Env"])},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def files(self) -> Iterator[Path]:
        return (one for one in self.root.rglob("*") if one.is_file() and not one.is_symlink())

    def programs(self) -> set[str]:
        return {one.name for one in self.files() if one.parent.name in ("bin", "sbin", "libexec")}


def unpacked(name: str, folder: Path) -> Image:
    """The archive of `build.sh`, its one layer laid out and its configuration read."""
    missing = [] if os.geteuid() == 0 else ["root"]
    missing += [one for one in ("buildah", "unshare", "chroot") if shutil.which(one) is None]
    if missing:
        message = f"to look into an image, this is needed: {', '.join(missing)}"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    archive = Path(
        subprocess.run([BUILD, name], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    )
    with tarfile.open(archive) as tar:

        def document(digest: str) -> Any:
            file = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert file
            return json.load(file)

        index = tar.extractfile("index.json")
        assert index
        manifest = document(json.load(index)["manifests"][0]["digest"])
        config = document(manifest["config"]["digest"])["config"]
        (layer,) = manifest["layers"]
        with tarfile.open(fileobj=tar.extractfile(f"blobs/{layer['digest'].replace(':', '/')}")) as content:
            content.extractall(folder, filter="fully_trusted")  # noqa: S202 (built here)
    folder.chmod(0o755)
    (folder / "proc").mkdir()  # the runtime makes what it mounts
    return Image(folder, config, archive.stat().st_size)


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return unpacked("sidecar", tmp_path_factory.mktemp("sidecar"))


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return unpacked("webhook", tmp_path_factory.mktemp("webhook"))


@pytest.fixture(params=["sidecar", "webhook"])
def image(request: pytest.FixtureRequest) -> Image:
    found: Image = request.getfixturevalue(request.param)
    return found


def test_the_sidecar_starts_on_a_read_only_root_as_any_user_and_says_what_it_lacks(sidecar: Image) -> None:
    done = sidecar.run(*COMMAND)
    assert done.returncode == 2
    assert "SIDECAR_LISTEN is not set" in done.stderr


def test_the_gate_opens_in_the_sidecars_image_when_the_port_listens(sidecar: Image) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = sidecar.run(*start_gate.command([port], limit_seconds=1))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = sidecar.run(*start_gate.command([port], limit_seconds=1))
    assert done.returncode == 1
    assert done.stderr.startswith(f"pypi-connector does not listen on 127.0.0.1:{port}")


def test_the_command_line_runs(webhook: Image) -> None:
    done = webhook.run("pypi-connector", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("pypi-connector ")


def test_admission_and_broker_get_as_far_as_their_settings(webhook: Image) -> None:
    for component in ("admission", "broker"):
        done = webhook.run(*webhook.config["Entrypoint"], component)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("sidecar", "sidecar.__main__"),
        (
            "webhook",
            "webhook.cli, webhook.cluster.kubernetes, webhook.server.admission, webhook.server.broker",
        ),
    ],
)
def test_byte_code_is_used_whatever_the_times_of_the_files_are(
    name: str, modules: str, request: pytest.FixtureRequest
) -> None:
    """Run as root on a root that can be written: nothing is compiled, nothing is written."""
    image: Image = request.getfixturevalue(name)
    for source in image.root.rglob("*.py"):
        os.utime(source, (0, 0))
    before = {one for one in image.files() if one.suffix == ".pyc"}
    done = subprocess.run(
        [
            shutil.which("chroot") or "chroot",
            str(image.root),
            "/usr/local/bin/python3",
            "-I",
            "-v",
            "-c",
            f"import {modules}",
        ],
        env={"PATH": "/usr/bin", "HOME": "/"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = done.stderr.splitlines()
    from_source = [one for one in lines if one.startswith("# code object from /") or "# wrote" in one]
    from_byte_code = [one for one in lines if one.startswith("# code object from '")]
    assert from_source == []
    assert len(from_byte_code) > 50
    assert {one for one in image.files() if one.suffix == ".pyc"} == before


def test_the_sidecars_image_holds_no_other_program(sidecar: Image) -> None:
    python = next(one for one in sidecar.programs() if one.startswith("python3."))
    assert sidecar.programs() == {python, "sh", "grep", "sleep"}


def test_the_webhooks_image_holds_no_other_program(webhook: Image) -> None:
    python = next(one for one in webhook.programs() if one.startswith("python3."))
    assert webhook.programs() == {python, "pypi-connector"}


def test_nothing_of_the_build_is_left(image: Image) -> None:
    root = image.root
    assert not any((root / one).exists() for one in ("etc/pip.conf", "build", "run", "root", "var"))
    assert [one for one in root.rglob("*") if one.name in ("pip", "setuptools", "ensurepip")] == []
    assert [one for one in image.files() if one.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []
    assert [one for one in image.files() if one.stat().st_mode & stat.S_IWOTH] == []
    bundle = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    assert bundle.count("BEGIN CERTIFICATE") > 100


def test_public_registries_are_trusted_with_the_images_own_bundle(image: Image) -> None:
    program = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    done = image.run("python3", "-I", "-c", program)
    assert int(done.stdout) > 100, done.stderr


def test_text_is_utf_8_without_a_locale(image: Image) -> None:
    program = "import sys; print(sys.getfilesystemencoding(), sys.stdout.encoding)"
    assert image.run("python3", "-I", "-c", program).stdout == "utf-8 utf-8\n"


def test_the_configuration_says_user_command_and_labels(image: Image) -> None:
    assert image.config["User"] == f"{NOBODY}:{NOBODY}"
    assert image.config["Entrypoint"][:3] == ["python3", "-I", "-m"]
    labels = {key.rpartition(".")[2]: value for key, value in image.config["Labels"].items()}
    assert labels["licenses"] == "Apache-2.0"
    assert {"title", "description", "version", "name"} <= set(labels)
    assert not any(one.startswith(("PIP_", "PYTHON", "SSL_")) for one in image.config["Env"])


def test_the_sizes_stay_in_bounds(sidecar: Image, webhook: Image) -> None:
    """MiB, packed and unpacked: a fifth above what docs/images.md says, so that growth is a decision."""
    for image, packed, whole in ((sidecar, 20, 53), (webhook, 44, 130)):
        assert image.archive_bytes < packed * 2**20
        assert sum(one.stat().st_size for one in image.files()) < whole * 2**20

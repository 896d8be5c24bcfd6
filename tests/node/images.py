"""Images on the node: the pause image, made here, and archives that others have built, loaded once each."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from node.layout import Node
from node.places import HERE
from node.problems import Broken

BUILD = HERE / "images" / "build.sh"
"""Builds what is missing and prints the path of each archive, one a line"""


def build(say: Callable[[str], None]) -> list[Path]:
    """The archives of all images that the tests need."""
    if not BUILD.exists():
        return []
    say("building images (those that changed)")
    result = subprocess.run(["bash", str(BUILD)], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        raise Broken(f"{BUILD.name} failed; its output stands above")
    return [Path(line) for line in result.stdout.splitlines() if line.strip()]


def load(node: Node, archives: Sequence[Path], say: Callable[[str], None]) -> None:
    """Archives are named by content. The node's image store holds the archives of the last call."""
    record = node.state / "loaded.json"
    last = json.loads(record.read_text()) if record.exists() else []
    for archive in archives:
        if str(archive) not in last:
            say(f"loading {archive.name}")
            _import(node, archive)
    # Only the last call's: an older archive may have lost its tag to a newer one.
    record.write_text(json.dumps([str(archive) for archive in archives]))


def _import(node: Node, archive: Path) -> None:
    program = ["ctr", "--namespace=k8s.io", "images", "import", str(archive.resolve())]
    command = node.entering(*program, namespaces="all")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Broken(f"{archive} cannot be loaded: {result.stderr.strip()}")


def pause_archive(binary: Path, image: str, archive: Path) -> Path:
    """An image of one file, as `docker save` writes it; no image builder is needed for that."""
    layer = _tar({"pause": (binary.read_bytes(), 0o755)})
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]
    files = {
        "layer.tar": (layer, 0o644),
        "config.json": (json.dumps(config).encode(), 0o644),
        "manifest.json": (json.dumps(manifest).encode(), 0o644),
    }
    archive.write_bytes(_tar(files))
    return archive


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

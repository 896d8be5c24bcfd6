"""The registry's content: files named like wheels, a long index page, real wheels to install."""

import base64
import hashlib
import io
import os
import zipfile
from pathlib import Path

SMALL = "/files/small-1.0-py3-none-any.whl"
SMALL_SIZE = 20 * 1024
LARGE = "/files/large-1.0-py3-none-any.whl"
LARGE_SIZE = 1024**3
PAGE = "/simple/many/"
PAGE_LINKS = 20_000
PAGE_SIZE = 5_000_000
"""The least size; the fragments of the links make the page so long"""
INSTALLED = 60
_INSTALLED_SIZE = 40_000_000 // INSTALLED

_WHEEL = b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_BLOCK = 1024 * 1024


def write_content(folder: Path, origin: str) -> None:
    """Write the files below the registry's root. `origin`: the prefix of the long page's absolute links."""
    files = folder / "files"
    files.mkdir(parents=True)
    (files / Path(SMALL).name).write_bytes(os.urandom(SMALL_SIZE))
    block = os.urandom(_BLOCK)
    with (files / Path(LARGE).name).open("wb") as large:
        for _ in range(LARGE_SIZE // _BLOCK):
            large.write(block)
    _write_page(folder, "many", long_page(origin))
    for number in range(INSTALLED):
        _write_project(folder, f"cold-{number:02d}")


def long_page(origin: str) -> str:
    """A project with 20,000 files. Its links are absolute, as in Artifactory and in Nexus behind a proxy."""
    return "".join(
        ["<!DOCTYPE html><html><head><title>many</title></head><body>\n"]
        + [_page_line(origin, number) for number in range(PAGE_LINKS)]
        + ["</body></html>\n"]
    )


def _page_line(origin: str, number: int) -> str:
    name = f"many-1.0.{number}-py3-none-any.whl"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return (
        f'<a href="{origin}/files/many/{name}#sha256={digest}" data-core-metadata="sha256={digest}" '
        f'data-requires-python="&gt;=3.9">{name}</a><br/>\n'
    )


def _write_project(folder: Path, name: str) -> None:
    module = name.replace("-", "_")
    file = f"{module}-1.0-py3-none-any.whl"
    body, metadata = _wheel(module)
    (folder / "files" / file).write_bytes(body)
    (folder / "files" / f"{file}.metadata").write_bytes(metadata)
    digest, core = hashlib.sha256(body).hexdigest(), hashlib.sha256(metadata).hexdigest()
    _write_page(
        folder,
        name,
        "<!DOCTYPE html><html><body>"
        f'<a href="../../files/{file}#sha256={digest}" data-core-metadata="sha256={core}">{file}</a>'
        "</body></html>\n",
    )


def _write_page(folder: Path, project: str, text: str) -> None:
    page = folder / "simple" / project / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(text)


def _wheel(module: str) -> tuple[bytes, bytes]:
    """A wheel (PEP 427) of incompressible data in ten files, and its METADATA."""
    info = f"{module}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n".encode()
    members = {f"{module}/__init__.py": b""}
    members |= {f"{module}/data{part}.bin": os.urandom(_INSTALLED_SIZE // 10) for part in range(10)}
    members[f"{info}/METADATA"] = metadata
    members[f"{info}/WHEEL"] = _WHEEL
    record = [f"{name},sha256={_record_hash(body)},{len(body)}" for name, body in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,\n"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue(), metadata


def _record_hash(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()

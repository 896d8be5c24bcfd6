"""Small wheels, for registries that start empty."""

import base64
import hashlib
import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, *, filler: bytes = b"") -> Path:
    """Write a pure wheel with a single module (PEP 427). `filler` adds to its size."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    contents = {
        f"{module}.py": f'VERSION = "{version}"\n'.encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if filler:
        contents[f"{module}_data.bin"] = filler
    record = f"{info}/RECORD"
    lines = [f"{path},sha256={_digest(body)},{len(body)}" for path, body in contents.items()]
    contents[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    target = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, body in contents.items():
            archive.writestr(path, body)
    return target


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()

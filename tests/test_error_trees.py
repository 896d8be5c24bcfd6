"""The error trees that docstrings draw: each class of the package is in the drawing, below its base."""

import ast
import builtins
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("certs", "sidecar", "webhook")

_LINE = re.compile(r"(?P<indent>(?:[│ ] {3})*)(?:[├└]── )?(?P<name>[A-Z]\w+)(?: {2,}.*)?")


def drawn(package: str) -> dict[str, str | None]:
    """Class → base of the drawing; None for a root."""
    tree: dict[str, str | None] = {}
    branch: list[str] = []
    for line in (importlib.import_module(f"{package}.errors").__doc__ or "").splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        is_root = not re.match("[│├└ ]", line)
        depth = 0 if is_root else len(match["indent"]) // 4 + 1
        tree[match["name"]] = None if is_root else branch[depth - 1]
        branch[depth:] = [match["name"]]
    return tree


def defined(package: str) -> dict[str, str | None]:
    """Class → base within the package; None if the base is Python's. A private class ends in its module."""
    classes = list(classes_of(package))
    tree: dict[str, str | None] = {}
    while further := {name: base for name, base in classes if name not in tree and is_error(base, tree)}:
        tree |= {name: base if base in tree else None for name, base in further.items()}
    return {name: base for name, base in tree.items() if not name.startswith("_")}


def is_error(name: str, tree: Mapping[str, str | None]) -> bool:
    builtin = getattr(builtins, name, None)
    return name in tree or (isinstance(builtin, type) and issubclass(builtin, BaseException))


def classes_of(package: str) -> Iterator[tuple[str, str]]:
    """Each class of the sources with its first base: `demo` is not imported, for it loads a registry."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.bases:
                yield node.name, ast.unparse(node.bases[0]).rpartition(".")[2]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_drawn_tree_is_the_tree_of_the_classes(package: str) -> None:
    assert drawn(package) == defined(package)


def test_the_drawings_are_read() -> None:
    assert drawn("sidecar")["BrokerUntrusted"] == "BrokerUnreachable"
    assert drawn("webhook")["InvalidSecret"] == "InputError"
    assert drawn("certs")["CertificateError"] is None

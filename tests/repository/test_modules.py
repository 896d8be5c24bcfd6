"""What is said of every module of the project."""

import ast
from pathlib import Path

from support.checkout import ROOT

FOLDERS = ("benchmarks", "certs", "sidecar", "tests", "webhook")
LONGEST = 300
MODULES = [module for folder in FOLDERS for module in sorted((ROOT / folder).rglob("*.py"))]


def test_no_module_has_more_than_300_lines() -> None:
    lengths = {module.relative_to(ROOT): len(module.read_text().splitlines()) for module in MODULES}
    assert len(lengths) > 300
    assert {str(module): length for module, length in lengths.items() if length > LONGEST} == {}


def edits_path(module: Path) -> bool:
    """Whether its code names `sys.path`."""
    nodes = ast.walk(ast.parse(module.read_text()))
    return any(isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path" for node in nodes)


def test_no_module_edits_the_path_of_imports() -> None:
    """pytest's configuration and PYTHONPATH say what can be imported."""
    assert [str(module.relative_to(ROOT)) for module in MODULES if edits_path(module)] == []

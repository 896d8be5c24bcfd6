"""What is said of every module of the project."""

from support.checkout import ROOT

FOLDERS = ("benchmarks", "certs", "sidecar", "tests", "webhook")
LONGEST = 300


def test_no_module_has_more_than_300_lines() -> None:
    modules = [module for folder in FOLDERS for module in sorted((ROOT / folder).rglob("*.py"))]
    lengths = {module.relative_to(ROOT): len(module.read_text().splitlines()) for module in modules}
    assert len(lengths) > 300
    assert {str(module): length for module, length in lengths.items() if length > LONGEST} == {}

"""Where the checkout lies, and the folders in it that tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
MANIFESTS = ROOT / "manifests"

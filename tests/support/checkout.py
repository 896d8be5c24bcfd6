"""The checkout's folder, and the folders in it that tests read."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
MANIFESTS = ROOT / "manifests"


def environment_with_tests() -> dict[str, str]:
    """The environment of a program that imports `support` or `node`."""
    return {**os.environ, "PYTHONPATH": str(TESTS)}

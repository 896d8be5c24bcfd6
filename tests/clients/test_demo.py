"""`pypi-connector demo` as a person sees it: it shows the main job, and leaves nothing behind."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.machine.environments import clean

pytestmark = pytest.mark.clients
PROGRAM = str(Path(sys.executable).with_name("pypi-connector"))


def test_the_demo_shows_the_main_job_and_leaves_nothing(tmp_path: Path) -> None:
    result = subprocess.run(
        [PROGRAM, "demo"],
        env=clean(TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "It is not there." in result.stdout
    assert "\x1b[" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [PROGRAM, "demo"],
        env=clean(TMPDIR=str(tmp_path), MARK_OF_THIS_DEMO="1"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Its workload"):
                process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 60
    while left := _processes_of(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _processes_of(mark: str) -> list[str]:
    """Command lines that name the demo's temporary folder."""
    if shutil.which("ps") is None:
        return []
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if mark in line]

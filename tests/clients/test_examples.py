"""The example Pod does what it says with a plain Python image: pip, and neither uv nor twine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine.environments import wheels
from support.pods.pod_runs import Runner
from webhook.demo.containers import isolation_works
from webhook.demo.stage import Stage, example, set_stage

pytestmark = pytest.mark.clients


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Its registry has the packages that the image lacks, like a mirror of pypi.org."""
    with set_stage() as found:
        for wheel in wheels("workload").glob("*.whl"):
            shutil.copy(wheel, found.packages)
        yield found


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """What stands for the image: this interpreter and pip."""
    folder = tmp_path / "plain"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


def test_the_example_pod_works_with_the_plain_image(stage: Stage, plain: Path, tmp_path: Path) -> None:
    if not isolation_works(tmp_path):
        assert os.environ.get("CI") != "true"
        pytest.skip("namespaces of users and mounts cannot be made here (unshare)")
    path = f"{plain}/bin:/usr/bin:/bin"
    assert [shutil.which(name, path=path) for name in ("uv", "twine")] == [None, None]
    [container] = example("pod.yaml")[0]["spec"]["containers"]
    runner = Runner(stage, tmp_path, isolate=True)
    outcome = runner.run(container["args"][0], further_image=[plain], PATH=path)
    assert outcome.exit_code == 0, runner.printed
    assert list(stage.packages.glob("hello_upload-0.1.0-*.whl"))

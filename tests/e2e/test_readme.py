"""README's commands for administrators and users, exactly as written there."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.authority import create_authority
from support.checkout import MANIFESTS, ROOT
from support.kubernetes.kube import Kube
from support.scenarios.scenes import USERNAME, Registry

LONGEST_SECONDS = 240.0
LOG = "kubectl logs -n team-a job/install"


def commands(heading: str) -> list[str]:
    """The lines of every block without a language below a heading of README, comments taken off."""
    section = re.split(rf"^## {re.escape(heading)}$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)[1]
    section = section.partition("\n## ")[0]
    blocks = re.findall(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]


@pytest.fixture
def clone(tmp_path: Path, registry: Registry) -> Path:
    """The manifests, with address and credential written into the example as README asks for."""
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    file = tmp_path / "manifests" / "examples" / "connector.yaml"
    text = file.read_text()
    for placeholder, value in {
        "https://pypi.example.com": registry.address,
        "your-pypi-registry-username": USERNAME,
        "your-pypi-registry-password": registry.password,
    }.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    # this registry has no TLS; README's reader is not asked for this
    file.write_text(f'{text.rstrip()}\n  params: [{{name: allowInsecureHTTP, value: "true"}}]\n')
    return tmp_path


@pytest.fixture
def team(installed: Kube) -> Iterator[None]:
    """Removes what README's names make."""
    installed.run("create", "namespace", "registries")
    try:
        yield
    finally:
        # until they are gone: the next test creates them again
        installed.run("delete", "namespace", "team-a", "registries", "--ignore-not-found")


def typed(line: str, clone: Path, kube: Kube) -> str:
    """What it prints; it must exit with 0."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(clone), "KUBECONFIG": str(kube.kubeconfig)}
    found = subprocess.run(
        ["sh", "-c", line],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS,
    )
    assert found.returncode == 0, f"{line}\n{found.stdout}\n{found.stderr}"
    return found.stdout


@pytest.mark.usefixtures("team")
def test_what_readme_says_works_as_it_is_written(installed: Kube, clone: Path) -> None:
    administrators, users = commands("For administrators"), commands("For users")
    assert [line.split()[:2] for line in administrators] == [["kubectl", "apply"], ["kubectl", "rollout"]]
    for line in administrators:
        typed(line, clone, installed)
    made, look, again, authority, share = users[:3], users[3:5], users[5:7], users[7:9], users[9:]
    for line in made:
        typed(line, clone, installed)
    # three commands after the install
    assert "Successfully installed hello-connector-1.0" in typed(LOG, clone, installed)
    said = [typed(line, clone, installed) for line in look]
    assert re.search(r"team-pypi +pypi +http\S+ +True +Valid", said[0])
    assert "team-a/team-pypi" in said[1]
    for line in (*again, made[2]):
        typed(line, clone, installed)
    (clone / "company-ca.pem").write_text(create_authority(datetime.now(UTC)).certificate)
    for line in (*authority, *share):
        typed(line, clone, installed)
    assert [line.split()[1] for line in (*authority, *share)] == ["create", "patch", "create"]
    spec = installed.get("connector", "team-pypi", "team-a")["spec"]
    assert spec["caCertSecretRef"] == {"name": "team-pypi-ca"}


@pytest.mark.usefixtures("team")
def test_a_job_that_failed_is_seen_at_once_and_made_again_after_the_correction(
    installed: Kube, clone: Path, registry: Registry
) -> None:
    users = commands("For users")
    file = clone / "manifests" / "examples" / "connector.yaml"
    right = file.read_text()
    file.write_text(right.replace(registry.password, "wrong"))
    begun = time.monotonic()
    for line in users[:3]:
        typed(line, clone, installed)  # which fails, if it waits for its time-out
    assert time.monotonic() - begun < 90
    failed = installed.get("job", "install", "team-a")["status"]["conditions"]
    assert {"Failed", "FailureTarget"} & {one["type"] for one in failed}
    file.write_text(right)
    assert "job.batch/install unchanged" in typed(users[1], clone, installed)
    for line in (*users[5:7], users[2]):
        typed(line, clone, installed)
    assert "Successfully installed hello-connector-1.0" in typed(LOG, clone, installed)

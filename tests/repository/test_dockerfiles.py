"""The Dockerfiles, read: what needs no build. What they build is looked at in tests/e2e/test_images.py."""

import json
import re
import subprocess
import sys
import tomllib

import pytest

from sidecar.contract.words import COMMAND
from support.checkout import ROOT
from webhook.pod.sidecar import NOBODY

NAMES = ("sidecar", "webhook")
TEXTS = {name: (ROOT / f"Dockerfile.{name}").read_text() for name in NAMES}
FINAL = {name: text.partition("\nFROM scratch\n")[2] for name, text in TEXTS.items()}

each_image = pytest.mark.parametrize("name", NAMES)


def shared_steps(text: str) -> list[str]:
    """Paragraphs marked `# =`."""
    return [one for one in text.split("\n\n") if one.startswith("# = ")]


def test_the_steps_said_to_be_the_same_are_the_same() -> None:
    sidecar, webhook = (shared_steps(TEXTS[name]) for name in NAMES)
    assert len(sidecar) == 5
    assert [one.replace("sidecar.txt", "webhook.txt") for one in sidecar] == webhook


@each_image
def test_the_label_says_the_version_of_the_project(name: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in FINAL[name]
    assert 'org.opencontainers.image.version="${VERSION}"' in FINAL[name]


@each_image
def test_the_user_is_numeric_for_the_kubelet_must_see_that_it_is_not_root(name: str) -> None:
    assert re.findall(r"^USER (.*)$", FINAL[name], re.MULTILINE) == [f"{NOBODY}:{NOBODY}"]


@each_image
def test_nothing_runs_in_the_final_stage_so_no_mount_of_the_build_leaves_a_trace(name: str) -> None:
    assert FINAL[name]
    assert "RUN " not in FINAL[name]


@each_image
def test_nothing_is_installed_without_a_hash(name: str) -> None:
    installs = [one for one in re.split(r"\n(?=[A-Z#\n])", TEXTS[name]) if "pip install" in one]
    assert installs
    for one in installs:
        assert "--require-hashes" in one or ("--no-deps" in one and "/build/source" in one), one


@each_image
def test_the_build_needs_no_heredoc_which_older_builders_do_not_know(name: str) -> None:
    assert "<<" not in TEXTS[name]


def test_the_images_run_by_themselves_what_a_pod_runs() -> None:
    assert json.dumps(list(COMMAND)) in FINAL["sidecar"]
    assert 'ENTRYPOINT ["python3", "-I", "-m", "webhook"]' in FINAL["webhook"]


@each_image
def test_all_that_is_copied_counts_as_an_input(name: str) -> None:
    """Or the tests would run on an image of yesterday."""
    found = re.search(rf"^ *{name}\) echo (.*) ;;$", build_script(), re.MULTILINE)
    assert found
    inputs = found[1].replace(
        "requirements/{build,webhook}.txt", "requirements/build.txt requirements/webhook.txt"
    )
    for line in re.findall(r"^COPY (?!--from)(.*)$", TEXTS[name], re.MULTILINE):
        for source in line.split()[:-1]:
            assert source.rstrip("/") in inputs.split(), source


def build_script() -> str:
    return (ROOT / "tests/node/images/build.sh").read_text()


def test_only_named_paths_reach_a_builder() -> None:
    lines = [one for one in (ROOT / ".dockerignore").read_text().splitlines() if not one.startswith("#")]
    assert lines[0] == "*"
    assert "**/__pycache__" in lines


def test_what_the_webhooks_image_leaves_out_is_never_imported() -> None:
    """Each module but the demo's, which needs what the image lacks anyway."""
    program = """
import importlib, pathlib, sys
for path in sorted(pathlib.Path("webhook").rglob("*.py")):
    if path.stem != "__main__" and "demo" not in path.parts:
        importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
print(*(name for name in sys.modules if name.startswith(("kubernetes.", "webhook.demo", "jwt"))))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.split()
    assert "kubernetes.aio.client" in loaded
    assert [one for one in loaded if re.search(r"\.client\.(api|models)\.|^webhook\.demo|^jwt", one)] == []


def test_the_demo_and_its_packages_are_no_part_of_the_webhooks_image() -> None:
    assert "RUN rm -r /build/source/webhook/demo" in TEXTS["webhook"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    locked = set(
        re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/webhook.txt").read_text(), re.MULTILINE)
    )
    wanted = {extra: {re.split(r"[\[>]", one)[0] for one in extras[extra]} for extra in extras}
    assert wanted["demo"] == {"pyjwt", "pypiserver", "passlib", "twine", "uv"}
    assert wanted["webhook"] <= locked
    assert not wanted["demo"] & locked

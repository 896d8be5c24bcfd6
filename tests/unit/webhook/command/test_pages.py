"""The manifests in docs/jobs.md, as its readers would use them."""

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from support.checkout import ROOT
from support.clients.command_line import call

BLOCKS = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "jobs.md").read_text(), re.MULTILINE | re.DOTALL)
CONNECTOR = """
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata: {name: team-pypi, namespace: team-a}
spec: {connectorClassName: pypi, address: "https://pypi.example.com"}
"""


def injected(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The Pod template that admission would make of a Job."""
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    result = call("inject", "-f", "-", str(folder / "job.yaml"), stdin=CONNECTOR)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = next(
        one for one in yaml.safe_load_all(result.stdout) if one and one["kind"] == "Job"
    )["spec"]["template"]
    return found


def test_the_job_by_annotation_is_injected(tmp_path: Path) -> None:
    template = injected(yaml.safe_load(BLOCKS[0]), tmp_path)
    assert template["spec"]["initContainers"][0]["name"] == "pypi-connector"


def test_the_job_by_volume_is_injected(tmp_path: Path) -> None:
    """The page shows the part of the template that differs."""
    job = yaml.safe_load(BLOCKS[0])
    job["spec"]["template"] = yaml.safe_load(textwrap.dedent(BLOCKS[1]))
    template = injected(job, tmp_path)
    assert template["spec"]["initContainers"][0]["name"] == "pypi-connector"
    [mount] = [one for one in template["spec"]["containers"][0]["volumeMounts"] if one["name"] == "pipconf"]
    assert (mount["mountPath"], mount["readOnly"]) == ("/root/.config/pip", True)
    [volume] = [one for one in template["spec"]["volumes"] if one["name"] == "pipconf"]
    assert "emptyDir" in volume


def test_no_example_of_the_page_is_left_out() -> None:
    assert len(BLOCKS) == 2

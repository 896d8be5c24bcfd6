"""Which cluster the tests speak to: the one that KUBECONFIG names, or an API server of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from support.checkout import environment_with_tests
from support.kubernetes.kube import Kube

PROGRAM = (sys.executable, "-m", "node")
"""What makes nodes and API servers; it needs `environment_with_tests`"""


def given() -> Kube | None:
    """The cluster of KUBECONFIG: the node that `make e2e` brings up, or a contributor's own."""
    path = os.environ.get("KUBECONFIG")
    if not path:
        return None
    if shutil.which("kubectl") is None:
        unavailable("KUBECONFIG is set, but there is no kubectl on PATH: install kubectl")
    if not Path(path).is_file():
        unavailable(f"KUBECONFIG is {path}, and there is no such file: name one file")
    return Kube(Path(path))


@contextmanager
def api_server() -> Iterator[Kube]:
    """An API server without a node, for as long as the context lasts; seconds to start."""
    command, environment, pipe = [*PROGRAM, "api-server"], environment_with_tests(), subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            ready = process.stdout.readline()
            if not ready:
                unavailable(process.stderr.read().strip())
            answer = json.loads(ready)
            yield Kube(Path(answer["kubeconfig"]), kubectl=answer["kubectl"])
        finally:
            process.stdin.close()  # which ends it and all that it started


@dataclass(frozen=True, slots=True)
class Components:
    """The programs of the node that this project has made, for tests of their failures."""

    node: str

    def restart(self, component: str, held_seconds: float = 0.0) -> None:
        """Kill a component (such as kubelet). It comes back after `held_seconds`, or after a second."""
        command = [*PROGRAM, f"--node={self.node}", "restart", component, f"{held_seconds:g}"]
        result = subprocess.run(
            command, env=environment_with_tests(), capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr


NODE_VARIABLE = "PYPI_CONNECTOR_NODE"
"""Its name, where KUBECONFIG is that of a node that tests/node has brought up"""


def is_our_node() -> bool:
    """Whether KUBECONFIG names a node of our own, and not somebody's cluster."""
    return NODE_VARIABLE in os.environ


def components() -> Components:
    """Only for our own node: a test must not break another cluster."""
    name = os.environ.get(NODE_VARIABLE)
    if name is None:
        unavailable("this test kills components: only on a node of `make e2e` or `make cluster-up`")
    return Components(name)


def unavailable(sentence: str) -> NoReturn:
    """Skip with the reason; in CI, fail, because nothing may be skipped there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{sentence} (not skipped, since CI=true)", pytrace=False)
    pytest.skip(sentence)

"""Which cluster the tests speak to: the one that KUBECONFIG names, or an API server of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from kube import Kube

PROGRAM = Path(__file__).resolve().parents[1] / "cluster"


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
    command = [sys.executable, str(PROGRAM), "api-server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
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


def unavailable(sentence: str) -> NoReturn:
    """Skips, and says what is missing; in CI nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{sentence} (not skipped, since CI=true)", pytrace=False)
    pytest.skip(sentence)

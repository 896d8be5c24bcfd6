"""The command line, called as a person would; it never prints a password or a traceback."""

import subprocess
import sys
from pathlib import Path

from support.machine.environments import clean

PROGRAM = str(Path(sys.executable).with_name("pypi-connector"))
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: s}
type: kubernetes.io/basic-auth
stringData: {username: robot, password: canary-password}
"""
CONNECTOR = """
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata: {name: c}
spec:
  connectorClassName: pypi
  address: https://pypi.example.com
  auth: {name: basicAuth, secretRef: {name: s}}
"""
GOOD = f"{SECRET}---{CONNECTOR}"
POD = """
kind: Pod
metadata: {name: p, annotations: {connectors.alauda.io/connector: c}}
spec: {containers: [{name: app, image: i}]}
"""


def call(
    *arguments: str, stdin: str = "", folder: Path | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    result = subprocess.run(
        [PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=clean(**variables),
        cwd=folder,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in result.stderr, result.stderr
    assert "canary" not in result.stdout + result.stderr
    return result

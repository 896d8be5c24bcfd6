"""The sidecar of a checkout, installed as in an image and started as by `pypi-connector run`."""

import compileall
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.machine import clean_environment
from benchmarks.processes import Service
from benchmarks.registry import PASSWORD, USERNAME, Registry
from sidecar.contract.environment import Environment, Listener
from sidecar.contract.grant import Credential, Grant
from sidecar.contract.secret import Secret

_SAY_COMMAND = """\
import json
try:
    from sidecar.contract.words import COMMAND
except ImportError:  # a checkout in which the contract is one module
    from sidecar.contract import COMMAND
print(json.dumps(COMMAND))
"""


def install_sidecar(checkout: Path, folder: Path) -> Path:
    """Make an environment with a copy of the package, compiled, and the present libraries; return its Python.

    An editable install would not do: its finder alone costs 10 ms of every start.
    """
    command = [sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True, env=clean_environment(folder.parent))
    (site_packages,) = folder.glob("lib/python*/site-packages")
    shutil.copytree(
        checkout / "sidecar", site_packages / "sidecar", ignore=shutil.ignore_patterns("__pycache__")
    )
    compileall.compile_dir(site_packages, quiet=2)
    (site_packages / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python3"


def command_of(python: Path) -> list[str]:
    """The command by which that checkout's webhook starts the sidecar: checkouts may differ."""
    done = subprocess.run(
        [str(python), "-I", "-c", _SAY_COMMAND],
        env=clean_environment(python.parent),
        capture_output=True,
        check=True,
    )
    return [str(python), *json.loads(done.stdout)[1:]]


def grant_of(registry: Registry) -> Grant:
    return Grant(
        version="1",
        index_url=f"{registry.origin}/simple/",
        upload_url=f"{registry.origin}/upload/",
        file_origins=(),
        ca=registry.ca,
        credential=Credential(USERNAME, Secret(PASSWORD)),
        soft_seconds=1e9,
        hard_seconds=1e9,
        broker_ca=(),
        address=registry.origin,
    )


def start_sidecar(command: list[str], registry: Registry, folder: Path, port: int) -> Service:
    """Hands the grant over by an inherited descriptor, in the shape of this checkout's contract."""
    grant = grant_of(registry)
    reading, writing = os.pipe()
    environment = Environment(
        listeners=(Listener("bench/registry", port),),
        files={"pip.conf": "", ".pypirc": "", "uv.toml": ""},
        config_dir=str(folder),
        grant_fd=reading,
    )
    try:
        os.write(writing, json.dumps(grant.document()).encode() + b"\n")
        variables = clean_environment(folder, **environment.variables())
        service = Service(command, variables, folder / "log", pass_fds=[reading])
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    service.at_end(lambda: os.close(writing))
    return service

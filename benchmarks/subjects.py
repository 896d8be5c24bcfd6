"""Those who are measured: each does the same job over the same registry, started with a clean environment."""

import compileall
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sidecar
from benchmarks import nginx
from benchmarks.machine import clean_environment
from benchmarks.processes import Service
from benchmarks.registry import PASSWORD, USERNAME, Registry
from sidecar.contract import COMMAND, Credential, Environment, Grant, Listener, Secret

DIRECT = "direct"
SIDECAR = "sidecar"
NGINX = "nginx"
NGINX_TUNED = "nginx, big buffers"
UVICORN = "uvicorn + httpx"

Subjects = Mapping[str, Callable[[int], Service]]
"""Name → start on a port"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a subject needs to be started."""

    registry: Registry
    folder: Path
    nginx: str
    python: Path
    """Of an environment without an editable install, whose finder alone costs 10 ms of every start"""


def make_subjects(around: Surroundings) -> Subjects:
    return {
        SIDECAR: lambda port: _start_sidecar(around, port),
        NGINX: lambda port: _start_nginx(around, port, ""),
        NGINX_TUNED: lambda port: _start_nginx(around, port, nginx.BIG_BUFFERS),
        UVICORN: lambda port: _start_uvicorn(around, port),
    }


def install_python(folder: Path) -> Path:
    """An environment as an image has it: the package copied and compiled, the rest by reference."""
    command = [sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True, env=clean_environment(folder.parent))
    (site_packages,) = folder.glob("lib/python*/site-packages")
    shutil.copytree(Path(sidecar.__file__).parent, site_packages / "sidecar")
    compileall.compile_dir(site_packages, quiet=2)
    (site_packages / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python3"


def _start_sidecar(around: Surroundings, port: int) -> Service:
    """As `pypi-connector run` starts it: the grant comes through an inherited descriptor."""
    folder = around.folder / f"sidecar-{port}"
    folder.mkdir(exist_ok=True)
    grant = Grant(
        version="1",
        index_url=f"{around.registry.origin}/simple/",
        upload_url=f"{around.registry.origin}/upload/",
        file_origins=(),
        ca=around.registry.ca,
        credential=Credential(USERNAME, Secret(PASSWORD)),
        soft_seconds=1e9,
        hard_seconds=1e9,
        broker_ca=(),
    )
    reading, writing = os.pipe()
    environment = Environment(
        listeners=(Listener("bench/registry", port),),
        files={"pip.conf": "", ".pypirc": "", "uv.toml": ""},
        config_dir=str(folder),
        grant_fd=reading,
    )
    try:
        os.write(writing, json.dumps(grant.document()).encode() + b"\n")
        command = [str(around.python), *COMMAND[1:]]
        variables = clean_environment(folder, **environment.variables())
        service = Service(command, variables, folder / "log", pass_fds=[reading])
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    service.at_end(lambda: os.close(writing))
    return service


def _start_nginx(around: Surroundings, port: int, tuning: str) -> Service:
    folder = around.folder / f"nginx-{port}"
    registry = around.registry
    configuration = folder / "nginx.conf"
    text = nginx.proxy(folder, port, registry.port, registry.ca_file, registry.authorization, tuning)
    configuration.write_text(text)
    command = [around.nginx, "-c", str(configuration), "-e", "stderr"]
    return Service(command, clean_environment(folder), folder / "log")


def _start_uvicorn(around: Surroundings, port: int) -> Service:
    folder = around.folder / f"uvicorn-{port}"
    folder.mkdir(exist_ok=True)
    variables = clean_environment(
        folder,
        REGISTRY=around.registry.origin,
        REGISTRY_CA=str(around.registry.ca_file),
        REGISTRY_USERNAME=USERNAME,
        REGISTRY_PASSWORD=PASSWORD,
    )
    module = ["--app-dir", str(Path(__file__).parent), "streaming_app:app"]
    command = [str(around.python), "-I", "-m", "uvicorn", "--port", str(port), "--lifespan", "off", *module]
    return Service(command, variables, folder / "log")

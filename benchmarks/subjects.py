"""Those who are measured: each does the same job over the same registry, started with a clean environment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import nginx, peers
from benchmarks.machine import clean_environment
from benchmarks.processes import Service
from benchmarks.registry import PASSWORD, USERNAME, Registry
from benchmarks.sidecars import command_of, start_sidecar

DIRECT = "direct"
SIDECAR = "sidecar"
BEFORE = "sidecar before"
NGINX = "nginx"
NGINX_TUNED = "nginx, big buffers"
HAPROXY = "haproxy"
CADDY = "caddy"
ENVOY = "envoy"
UVICORN = "uvicorn + httpx"

PEERS = (HAPROXY, CADDY, ENVOY)
"""A run may leave them out"""
STANDING = (SIDECAR, BEFORE, NGINX, NGINX_TUNED, *PEERS)
REWRITING = (SIDECAR, BEFORE, NGINX, NGINX_TUNED)
"""The others hand index pages on as they are"""

Subjects = Mapping[str, Callable[[int], Service]]
"""Name → start on a port"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a subject needs to be started."""

    registry: Registry
    folder: Path
    programs: Mapping[str, str]
    """Name → path, of nginx and of the peers in this run"""
    python: Path
    """Of the environment with this checkout's sidecar"""
    python_before: Path | None
    """Of the one with another checkout's"""


def make_subjects(around: Surroundings) -> Subjects:
    """Without peers whose program is not there, and without a second sidecar unless there is one."""
    found: dict[str, Callable[[int], Service]] = {SIDECAR: _sidecar(around, around.python)}
    if around.python_before:
        found[BEFORE] = _sidecar(around, around.python_before)
    found[NGINX] = partial(_start_nginx, around, "")
    found[NGINX_TUNED] = partial(_start_nginx, around, nginx.BIG_BUFFERS)
    for name, start in ((HAPROXY, _start_haproxy), (CADDY, _start_caddy), (ENVOY, _start_envoy)):
        if name in around.programs:
            found[name] = partial(start, around)
    found[UVICORN] = partial(_start_uvicorn, around)
    return found


def _sidecar(around: Surroundings, python: Path) -> Callable[[int], Service]:
    command = command_of(python)
    return lambda port: start_sidecar(command, around.registry, _folder(around, SIDECAR, port), port)


def _start_nginx(around: Surroundings, tuning: str, port: int) -> Service:
    job = _job(around, NGINX, port)
    configuration = job.folder / "nginx.conf"
    configuration.write_text(nginx.proxy(job, tuning))
    return _serve(job, [around.programs[NGINX], "-c", str(configuration), "-e", "stderr"])


def _start_haproxy(around: Surroundings, port: int) -> Service:
    job = _job(around, HAPROXY, port)
    configuration = job.folder / "haproxy.cfg"
    configuration.write_text(peers.haproxy(job))
    return _serve(job, [around.programs[HAPROXY], "-db", "-f", str(configuration)])


def _start_caddy(around: Surroundings, port: int) -> Service:
    job = _job(around, CADDY, port)
    configuration = job.folder / "Caddyfile"
    configuration.write_text(peers.caddy(job))
    command = [around.programs[CADDY], "run", "--adapter", "caddyfile", "--config", str(configuration)]
    return _serve(job, command, GOMAXPROCS="1")


def _start_envoy(around: Surroundings, port: int) -> Service:
    job = _job(around, ENVOY, port)
    configuration = job.folder / "envoy.json"
    configuration.write_text(peers.envoy(job))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]
    return _serve(job, [around.programs[ENVOY], "-c", str(configuration), *options])


def _start_uvicorn(around: Surroundings, port: int) -> Service:
    job = _job(around, "uvicorn", port)
    module = ["--app-dir", str(Path(__file__).parent), "streaming_app:app"]
    command = [str(around.python), "-I", "-m", "uvicorn", "--port", str(port), "--lifespan", "off", *module]
    return _serve(
        job,
        command,
        REGISTRY=around.registry.origin,
        REGISTRY_CA=str(around.registry.ca_file),
        REGISTRY_USERNAME=USERNAME,
        REGISTRY_PASSWORD=PASSWORD,
    )


def _job(around: Surroundings, name: str, port: int) -> peers.Job:
    registry = around.registry
    folder = _folder(around, name, port)
    return peers.Job(folder, port, registry.port, registry.ca_file, registry.authorization)


def _folder(around: Surroundings, name: str, port: int) -> Path:
    """A port may come again; what the one before left is of no harm."""
    folder = around.folder / f"{name}-{port}"
    folder.mkdir(exist_ok=True)
    return folder


def _serve(job: peers.Job, command: Sequence[str], **variables: str) -> Service:
    return Service(command, clean_environment(job.folder, **variables), job.folder / "log")

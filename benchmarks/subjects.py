"""The measured programs: all do the same job over the same registry, in a clean environment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import nginx, peers
from benchmarks.gateways import start_gateway
from benchmarks.machine import clean_environment
from benchmarks.processes import Service
from benchmarks.registry import PASSWORD, USERNAME, Registry
from benchmarks.sidecars import command_of, start_sidecar

DIRECT = "direct"
SIDECAR = "sidecar"
BEFORE = "sidecar before"
GATEWAY = "gateway"
NGINX = "nginx"
NGINX_TUNED = "nginx, big buffers"
HAPROXY = "haproxy"
CADDY = "caddy"
ENVOY = "envoy"
UVICORN = "uvicorn + httpx"

PEERS = (HAPROXY, CADDY, ENVOY)
"""A run may leave them out"""
STANDING = (SIDECAR, BEFORE, GATEWAY, NGINX, NGINX_TUNED, *PEERS)
REWRITING = (SIDECAR, BEFORE, GATEWAY, NGINX, NGINX_TUNED)
"""They rewrite the links of index pages; the other subjects do not"""

Subjects = Mapping[str, Callable[[int], Service]]
"""Name → start on a port"""


@dataclass(frozen=True, slots=True)
class Context:
    """All that the start of a subject needs."""

    registry: Registry
    folder: Path
    programs: Mapping[str, str]
    """Name → path, of nginx and of the peers in this run"""
    python: Path
    """In the environment of this checkout's sidecar"""
    python_before: Path | None
    """In the environment of another checkout's sidecar"""


def make_subjects(context: Context) -> Subjects:
    """All subjects of this run: a peer needs its program, and a second sidecar a second checkout."""
    subjects: dict[str, Callable[[int], Service]] = {SIDECAR: _sidecar(context, context.python)}
    if context.python_before:
        subjects[BEFORE] = _sidecar(context, context.python_before)
    subjects[GATEWAY] = partial(_start_gateway, context)
    subjects[NGINX] = partial(_start_nginx, context, "")
    subjects[NGINX_TUNED] = partial(_start_nginx, context, nginx.BIG_BUFFERS)
    for name, start in ((HAPROXY, _start_haproxy), (CADDY, _start_caddy), (ENVOY, _start_envoy)):
        if name in context.programs:
            subjects[name] = partial(start, context)
    subjects[UVICORN] = partial(_start_uvicorn, context)
    return subjects


def _sidecar(context: Context, python: Path) -> Callable[[int], Service]:
    command = command_of(python)
    return lambda port: start_sidecar(command, context.registry, _folder(context, SIDECAR, port), port)


def _start_gateway(context: Context, port: int) -> Service:
    return start_gateway(context.python, context.registry, _folder(context, GATEWAY, port), port)


def _start_nginx(context: Context, tuning: str, port: int) -> Service:
    job = _job(context, NGINX, port)
    configuration = job.folder / "nginx.conf"
    configuration.write_text(nginx.proxy(job, tuning))
    return _serve(job, [context.programs[NGINX], "-c", str(configuration), "-e", "stderr"])


def _start_haproxy(context: Context, port: int) -> Service:
    job = _job(context, HAPROXY, port)
    configuration = job.folder / "haproxy.cfg"
    configuration.write_text(peers.haproxy(job))
    return _serve(job, [context.programs[HAPROXY], "-db", "-f", str(configuration)])


def _start_caddy(context: Context, port: int) -> Service:
    job = _job(context, CADDY, port)
    configuration = job.folder / "Caddyfile"
    configuration.write_text(peers.caddy(job))
    command = [context.programs[CADDY], "run", "--adapter", "caddyfile", "--config", str(configuration)]
    return _serve(job, command, GOMAXPROCS="1")


def _start_envoy(context: Context, port: int) -> Service:
    job = _job(context, ENVOY, port)
    configuration = job.folder / "envoy.json"
    configuration.write_text(peers.envoy(job))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]
    return _serve(job, [context.programs[ENVOY], "-c", str(configuration), *options])


def _start_uvicorn(context: Context, port: int) -> Service:
    job = _job(context, "uvicorn", port)
    module = ["--app-dir", str(Path(__file__).parent), "streaming_app:app"]
    command = [str(context.python), "-I", "-m", "uvicorn", "--port", str(port), "--lifespan", "off", *module]
    return _serve(
        job,
        command,
        REGISTRY=context.registry.origin,
        REGISTRY_CA=str(context.registry.ca_file),
        REGISTRY_USERNAME=USERNAME,
        REGISTRY_PASSWORD=PASSWORD,
    )


def _job(context: Context, name: str, port: int) -> peers.Job:
    registry = context.registry
    folder = _folder(context, name, port)
    return peers.Job(folder, port, registry.port, registry.ca_file, registry.authorization)


def _folder(context: Context, name: str, port: int) -> Path:
    """A folder for the subject on this port. A port may come again, and old files do no harm."""
    folder = context.folder / f"{name}-{port}"
    folder.mkdir(exist_ok=True)
    return folder


def _serve(job: peers.Job, command: Sequence[str], **variables: str) -> Service:
    return Service(command, clean_environment(job.folder, **variables), job.folder / "log")

"""Real servers without storage of uploads: static files, a router, a caching proxy."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import nginx as configurations
from certs.authority import issue_leaf
from support.certificates.authority import HOSTS, authority
from support.machine.environments import environment
from support.machine.ports import free_port
from support.servers.fronts import find_nginx
from support.servers.programs import RegistryServer, running_program, wait_for_answer

_PASSWORD = "canary-of-nginx"


@contextmanager
def nginx(folder: Path, root: Path) -> Iterator[RegistryServer]:
    """Static files over TLS and behind a password, as mirrors are served."""
    leaf = issue_leaf(authority("ours"), HOSTS, datetime.now(UTC))
    port = free_port()
    for name, text in (("tls.crt", leaf.certificate), ("tls.key", leaf.key)):
        (folder / name).write_text(text)
    (folder / "htpasswd").write_text(f"robot:{{PLAIN}}{_PASSWORD}\n")
    (folder / "root").symlink_to(root)
    text = configurations.registry(
        folder, port, folder / "tls.crt", folder / "tls.key", folder / "htpasswd", folder / "no-uploads"
    )
    (folder / "nginx.conf").write_text(text)
    command = [find_nginx(), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with running_program(command, folder / "nginx.log"):
        wait_for_answer(f"http://127.0.0.1:{port}/")  # 400: it wants TLS
        yield RegistryServer(f"https://127.0.0.1:{port}", "robot", _PASSWORD, "simple/")


@contextmanager
def simpleindex(folder: Path, packages: Path) -> Iterator[RegistryServer]:
    """A folder for each project; no root index, no hashes, no password."""
    port = free_port()
    configuration = folder / "simpleindex.toml"
    configuration.write_text(
        f'[routes."{{project}}"]\nsource = "path"\nto = "{packages}/{{project}}"\n'
        f'[server]\nhost = "127.0.0.1"\nport = {port}\n'
    )
    command = [str(environment("mirrors") / "bin" / "python"), "-m", "simpleindex", str(configuration)]
    with running_program(command, folder / "simpleindex.log"):
        yield _anonymous(port, "/")


@contextmanager
def proxpi(folder: Path, index_url: str) -> Iterator[RegistryServer]:
    """A cache before another index; its links are bare file names."""
    port = free_port()
    flask = [str(environment("mirrors") / "bin" / "flask"), "--app", "proxpi.server", "run"]
    with running_program([*flask, "--port", str(port)], folder / "proxpi.log", PROXPI_INDEX_URL=index_url):
        yield _anonymous(port, "index/")


def _anonymous(port: int, index_path: str) -> RegistryServer:
    address = f"http://127.0.0.1:{port}"
    wait_for_answer(f"{address}/")
    return RegistryServer(address, "", "", index_path)

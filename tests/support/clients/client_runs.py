"""Real clients, with the variables that an injected container has, on real servers."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sidecar.contract.grant import Grant
from support.connectors.declarations import Declaration, declare
from support.machine.environments import clean, environment
from support.pages.listings import links
from support.registries.registry_kinds import running_for_clients
from support.servers.programs import RegistryServer
from support.sidecars.running import Reply, Sidecar
from webhook.status.probe import probe

Result = subprocess.CompletedProcess[str]
BIN = Path(sys.executable).parent

UV = ("uv", "pip", "install", "--no-cache", "--target", "site")
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"


def run(server: RegistryServer, folder: Path, *command: str, **variables: str) -> Result:
    """`pypi-connector run` with the server's manifests from standard input."""
    return subprocess.run(
        [str(BIN / "pypi-connector"), "run", "-v", "-f", "-", "--", *command],
        input=server.manifests(),
        env=clean(HOME=str(folder), **variables),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def assert_clean(result: Result, server: RegistryServer, code: int = 0) -> None:
    """Assert that it ended with this code and printed no password."""
    said = result.stdout + result.stderr
    assert result.returncode == code, said
    assert server.password not in said


def pip_install(project: str) -> list[str]:
    """Install with the newest pip."""
    pip = environment("pip-newest") / "bin" / "pip"
    return [str(pip), "install", "--no-cache-dir", "--target", "site", project]


def run_client(variables: Mapping[str, str], command: Sequence[str], folder: Path) -> Result:
    """Run in that folder, which is also HOME. The output is searched for passwords."""
    result = subprocess.run(
        command,
        env={**variables, "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # an address that holds a token is the client's own: it cannot but see it
    assert "canary" not in (result.stdout + result.stderr).replace("canary-entitlement", "")
    return result


def assert_installed(result: Result, module: str, folder: Path) -> None:
    """Assert that version 1.0 of it is in `site`."""
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'VERSION = "1.0"' in (folder / "site" / module).read_text()


def grant_of(server: RegistryServer, *further: RegistryServer) -> Grant:
    return declaration_of(server, *further).grant


def declaration_of(server: RegistryServer, *further: RegistryServer, **params: str) -> Declaration:
    """Declares `further` as origins of files."""
    origins = ["/".join(one.address.split("/")[:3]) for one in further]
    extensions = {**server.extensions, **{f"files-{at}": one for at, one in enumerate(origins, 1)}}
    spec = {
        "address": server.address,
        "addressExtensions": [{"name": name, "value": url} for name, url in extensions.items()],
        "params": [
            {"name": "indexPath", "value": server.index_path},
            {"name": "allowInsecureHTTP", "value": "true"},
            *({"name": name, "value": value} for name, value in params.items()),
        ],
    }
    return declare(spec, server.username, server.password)


def page_of(sidecar: Sidecar, project: str) -> tuple[str, Reply]:
    """The project's page and its URL, after redirects within the registry."""
    target = f"/simple/{project}/"
    reply = sidecar.get(target, Accept=ACCEPT)
    if reply.status == 302:
        target = reply.header("location") or target
        reply = sidecar.get(target, Accept=ACCEPT)
    return f"http://127.0.0.1:{sidecar.port}{target}", reply


def assert_served(server: RegistryServer, project: str, folder: Path, *further: RegistryServer) -> None:
    """Assert that pip and uv install it, and that each link of its page leads through the proxy to a file."""
    module = f"{project.replace('-', '_')}.py"
    registry = declaration_of(server, *further, probePackage=project).registry
    assert asyncio.run(probe(registry, is_loopback_allowed=True)).outcome == "ok"
    with running_for_clients(folder, grant_of(server, *further)) as (sidecar, variables):
        url, page = page_of(sidecar, project)
        assert page.status == 200, page
        found = links(page.body, page.header("content-type") or "", url)
        assert found
        for link in found:
            assert link.url.startswith(f"http://127.0.0.1:{sidecar.port}/")
            reply = sidecar.get(link.url.removeprefix(f"http://127.0.0.1:{sidecar.port}"))
            assert reply.status == 200, reply
        assert_installed(run_client(variables, pip_install(project), folder), module, folder)
        shutil.rmtree(folder / "site")
        assert_installed(run_client(variables, [*UV, project], folder), module, folder)
        assert page_of(sidecar, "no-such-thing")[1].status == 404

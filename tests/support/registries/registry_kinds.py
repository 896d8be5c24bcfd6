"""Plays a kind of `kinds.py`: a scripted registry over TLS for each of its origins, and a real sidecar."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.contract.environment import Listener
from sidecar.contract.grant import Grant
from support.certificates.authority import server_context
from support.connectors.declarations import Declaration, declare
from support.machine.addresses import own_address
from support.machine.environments import clean
from support.machine.ports import free_port
from support.registries.kind_player import Player
from support.registries.kinds import Kind, facts, fill
from support.servers.registry import Registry, Request
from support.sidecars.running import CONNECTOR, PASSWORD, Reply, Sidecar, running_sidecar
from webhook.clients import sources, variables
from webhook.clients.endpoints import Endpoints, index_url, upload_url
from webhook.clients.files import files as client_files

SIMPLE = "/simple/"
_NEVER_TO_CLIENTS = {"set-cookie", "www-authenticate", "strict-transport-security", "alt-svc"}


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind at work."""

    kind: Kind
    declaration: Declaration
    origins: Mapping[str, Registry]
    """`registry` and the kind's others"""
    names: Mapping[str, str]
    """What `$…` stands for in the kind's texts"""
    sidecar: Sidecar
    environment: Mapping[str, str]
    """Of clients, as an injected container has it"""

    @property
    def local(self) -> str:
        return f"http://127.0.0.1:{self.sidecar.port}"

    @property
    def authorization(self) -> str:
        """The Authorization header that the registry expects."""
        return f"Basic {_pair(self.kind)}"

    @property
    def secrets(self) -> list[str]:
        """The texts that only the registry may see."""
        pair = _pair(self.kind)
        return [PASSWORD, pair, *(fill(one, self.names) for one in self.kind.secrets)]

    def get(self, target: str, accept: str | None = None, method: str = "GET") -> Reply:
        """Get as a client does: follow the alias. No redirect may lead elsewhere."""
        reply = self._ask(method, target, accept)
        if reply.status == 302 and target.startswith(SIMPLE):
            location = reply.header("location")
            assert location
            assert location.startswith("/"), location
            reply = self._ask(method, location, accept)
        assert reply.header("location") is None
        return reply

    def url_of(self, target: str) -> str:
        """The final URL of a client that asks for this."""
        reply = self._ask("GET", target, None)
        return self.local + (reply.header("location") or target)

    def _ask(self, method: str, target: str, accept: str | None) -> Reply:
        reply = self.sidecar.ask(method, target, {"Accept": accept} if accept else {})
        assert not _NEVER_TO_CLIENTS & {name for name, _ in reply.headers}, reply
        assert reply.status != 401
        assert _pair(self.kind).encode() not in reply.body
        return reply

    def page(self, form: str, file: str) -> bytes:
        """A page as the registry itself writes it."""
        return fill(self.kind.text(file), self.names).encode()

    def strangers(self) -> Iterator[Request]:
        """Requests to foreign origins, except uploads."""
        for name, one in self.origins.items():
            if name != "registry":
                yield from (request for request in one.requests if request.method != "POST")

    def assert_credential_stays(self) -> None:
        """Assert that only the registry's own origin got the credential, and that no origin got a cookie."""
        for request in self.strangers():
            assert request.header("authorization") is None, request
            assert not any(one in str(request) for one in (PASSWORD, _pair(self.kind))), request
        for one in self.origins.values():
            assert [request for request in one.requests if request.header("cookie")] == []


@contextmanager
def running_kind(kind: Kind, folder: Path, **changes: Any) -> Iterator[Scene]:
    """`changes` are changes of the grant."""
    with ExitStack() as stack:
        origins = {"registry": stack.enter_context(Registry(server_context()))}
        undeclared = []
        for number, (name, origin) in enumerate(kind.origins.items(), start=2):
            host = f"127.0.0.{number}"
            if not origin.is_declared:
                host = own_address() or host
                undeclared += [name] if host.startswith("127.") else []
            origins[name] = stack.enter_context(Registry(server_context((host,)), host))
        names = {**facts(), **{name: one.origin for name, one in origins.items()}}
        for name, one in origins.items():
            player = Player(kind, name, names, authorization=f"Basic {_pair(kind)}")
            one.on("*", player.play)
        declaration = _declare(kind, names, [origins[name].origin for name in undeclared])
        grant = declaration.grant._replace(**changes)
        sidecar, environment = stack.enter_context(running_for_clients(folder, grant))
        yield Scene(kind, declaration, origins, names, sidecar, environment)


@contextmanager
def running_for_clients(
    folder: Path, grant: Grant, *, admits_extra_indexes: bool = False
) -> Iterator[tuple[Sidecar, dict[str, str]]]:
    """A sidecar with the files, and the variables, that an injected container has."""
    port = free_port()
    listeners = (Listener(CONNECTOR, port),)
    urls = _endpoints(port, admits_extra_indexes)
    with running_sidecar(folder, grant, listeners=listeners, files=client_files(urls)) as sidecar:
        yield sidecar, clean(HOME=str(folder), **_variables(urls, folder))


def client_variables(sidecar: Sidecar, folder: Path) -> dict[str, str]:
    """What the webhook would put into a container beside that sidecar, whose files lie in `folder`."""
    return _variables(_endpoints(sidecar.port), folder)


def _variables(urls: Endpoints, folder: Path) -> dict[str, str]:
    groups, guards = variables.groups(urls, config_dir=str(folder / "config")), sources.guards(urls)
    parts = (*groups.values(), *guards.values())
    return {name: value for part in parts for name, value in part.items()}


def _endpoints(port: int, admits_extra_indexes: bool = False) -> Endpoints:
    return Endpoints(
        index_url(port), upload_url(port), index_url(port), admits_extra_indexes=admits_extra_indexes
    )


def _declare(kind: Kind, names: Mapping[str, str], further_files: list[str]) -> Declaration:
    spec = json.loads(fill(json.dumps(kind.connector), names))
    further = [{"name": f"files-{number}", "value": url} for number, url in enumerate(further_files, start=8)]
    extensions = [*spec.get("addressExtensions", []), *further]
    return declare({**spec, "addressExtensions": extensions}, kind.username, PASSWORD)


def _pair(kind: Kind) -> str:
    return b64encode(f"{kind.username}:{PASSWORD}".encode()).decode()

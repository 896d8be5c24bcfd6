"""A sidecar whose connectors are in order, with a scripted registry for each."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.contract.environment import Listener
from support.certificates.authority import server_context
from support.servers.registry import Registry
from support.sidecars.running import Reply, Sidecar, ask_once, free_port, grant, running_sidecar

NAMES = ("team/private", "team/mirror", "other/third")


@dataclass(frozen=True)
class Line:
    """A sidecar with a listener for each registry, all of them in order."""

    registries: list[Registry]
    sidecar: Sidecar
    ports: list[int]

    def ask(self, method: str, target: str, at: int = 0, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask_once(self.ports[at], method, target, headers=named)

    def get(self, target: str, at: int = 0, **headers: str) -> Reply:
        return self.ask("GET", target, at, **headers)

    def url(self, at: int, project: str = "foo") -> str:
        return f"http://127.0.0.1:{self.ports[at]}/simple/{project}/"


@contextmanager
def line_of(
    folder: Path, count: int = 2, *, grants: Any = grant, ordered: int | None = None
) -> Iterator[Line]:
    """`grants`: position and registry → its grant. `ordered`: so many listeners are in the order."""
    with ExitStack() as stack:
        registries = [stack.enter_context(Registry(server_context())) for _ in range(count)]
        listeners = tuple(Listener(name, free_port()) for name in NAMES[:count])
        make = grants if grants is not grant else lambda at, registry: grant(registry)
        documents = [make(at, registry) for at, registry in enumerate(registries)]
        text = "\n".join(json.dumps(document.document()) for document in documents)
        order = NAMES[: count if ordered is None else ordered]
        sidecar = stack.enter_context(running_sidecar(folder, text, listeners=listeners, order=order))
        yield Line(registries, sidecar, [listener.port for listener in listeners])

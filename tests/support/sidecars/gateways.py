"""Real gateway processes, a broker for their clients, and tokens as clients have them."""

import json
import socket
import ssl
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from certs.authority import issue_leaf
from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.grant import Grant
from sidecar.contract.words import GATEWAY_AUDIENCE, GATEWAY_GRANTS_PATH
from support.certificates.authority import HOSTS, authority, ca, server_context
from support.servers.registry import PATIENCE_SECONDS, Call, Registry
from support.sidecars.running import Reply, Sidecar, ask_once, start_of

HOST = "c-pypi.team.svc.cluster.local"
PREFIX = "/namespaces/team/connectors/pypi"
OWN_TOKEN = "token-of-the-gateway"


def token(account: str = "team/builder", **claims: Any) -> str:
    """A ServiceAccount token as the API server signs it, with no signature that anybody verifies."""
    namespace, _, name = account.partition("/")
    body = {
        "aud": [GATEWAY_AUDIENCE],
        "exp": int(time.time()) + 3600,
        "iss": "https://kubernetes.default.svc",
        "sub": f"system:serviceaccount:{namespace}:{name}",
        **claims,
    }
    return ".".join(
        urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b"{}", json.dumps(body).encode(), b"x")
    )


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


TOKEN = token()
"""Of the client that may use team/pypi"""

Answer = Grant | GatewayGrant | tuple[int, dict[str, str]]


class GatewayBroker(Registry):
    """Answers by connector and token: what a test has set, or a refusal as the real broker words it."""

    def __init__(self) -> None:
        super().__init__(server_context())
        self.grants: dict[tuple[str, str], Answer] = {}
        self.life_seconds = 3600.0
        self.before: Callable[[], None] = lambda: None
        self.on(GATEWAY_GRANTS_PATH, self._give)

    def allow(self, connector: str, token: str, answer: Answer) -> None:
        self.grants[connector, token] = answer

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(bytes(request.body)) for request in self.requests]

    def _give(self, call: Call) -> None:
        call.read_body()
        self.before()
        asked = json.loads(bytes(call.request.body))
        refusal = (401, {"reason": "TokenNotAuthenticated", "detail": "the token is not valid"})
        answer = self.grants.get((asked["connector"], asked["token"]), refusal)
        if isinstance(answer, tuple) and not isinstance(answer, Grant | GatewayGrant):
            status, problem = answer
            call.reply(status, json.dumps(problem).encode(), {"Content-Type": "application/problem+json"})
            return
        if isinstance(answer, Grant):
            answer = GatewayGrant(answer, "team/builder", self.life_seconds)
        call.reply(200, json.dumps(answer.document()).encode(), {"Content-Type": "application/json"})


class Gateway(Sidecar):
    """A gateway's process that listens."""

    https_port = 0
    health_port = 0

    def ask_as(
        self,
        token: str | None,
        target: str = "/simple/foo/",
        *,
        host: str = HOST,
        method: str = "GET",
        body: bytes | None = None,
        **headers: str,
    ) -> Reply:
        """Ask by that Host."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = basic(token)
        return self.ask(method, target, {"Host": host, **sent}, body)

    def connect_tls(self) -> ssl.SSLSocket:
        """Verified, as a client of the Service does it."""
        context = ssl.create_default_context(cadata=ca())
        sock = socket.create_connection(("127.0.0.1", self.https_port), PATIENCE_SECONDS)
        return context.wrap_socket(sock, server_hostname=HOST)

    def health(self, path: str) -> Reply:
        return ask_once(self.health_port, "GET", path)


def start(environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-I", *start_of("sidecar.gateway")],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_gateway(folder: Path, broker: Registry, **variables: str) -> Iterator[Gateway]:
    """A gateway with a certificate for `localhost`, on ports of the kernel's choice."""
    tls = folder / "tls"
    tls.mkdir(exist_ok=True)
    leaf = issue_leaf(authority("ours"), (*HOSTS, HOST), datetime.now(UTC))
    for name, text in (("tls.crt", leaf.certificate), ("tls.key", leaf.key), ("ca.crt", ca())):
        (tls / name).write_text(text)
    own = folder / "gateway-token"
    own.write_text(OWN_TOKEN + "\n")
    environment: Mapping[str, str] = {
        "GATEWAY_ADDRESS": "127.0.0.1",
        "GATEWAY_BROKER_URL": broker.origin,
        "GATEWAY_TLS_DIR": str(tls),
        "GATEWAY_TOKEN_FILE": str(own),
        "GATEWAY_LOG_LEVEL": "debug",
        "GATEWAY_LOOPBACK": "allow",
        "GATEWAY_HTTP_PORT": "0",
        "GATEWAY_HTTPS_PORT": "0",
        "GATEWAY_METRICS_PORT": "0",
        **variables,
    }
    gateway = Gateway(start(environment), 0)
    try:
        ports = {
            scheme: gateway.wait_line(message="listening", scheme=scheme)["port"]
            for scheme in ("http", "https", "health")
        }
        gateway.port, gateway.https_port, gateway.health_port = ports["http"], ports["https"], ports["health"]
        yield gateway
    finally:
        gateway.__exit__(None, None, None)
    assert not any("raw" in line for line in gateway.lines), gateway.lines  # a traceback
    assert not gateway.leaks, gateway.lines
    assert TOKEN not in str(gateway.lines)
    assert OWN_TOKEN not in str(gateway.lines)
    assert not any(line.get("message") == "internal error" for line in gateway.lines), gateway.lines

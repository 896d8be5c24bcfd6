"""Clients of the broker: they ask as sidecars do, with a real token and TLS, but without pauses."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sidecar.contract.grant import Grant
from sidecar.contract.words import GRANTS_PATH

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker's address, and the grant that it must answer."""

    address: str
    host: str
    """The name in its certificate"""
    tls: ssl.SSLContext
    connector: str
    password: str
    """The password that each grant must hold"""

    def connect(self) -> "Connection":
        return Connection(self)


class Connection(http.client.HTTPSConnection):
    """Connects by address: Pods can resolve the host's name, and this machine cannot."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker.host, 443, timeout=_SECONDS, context=broker.tls)
        self._broker = broker

    def connect(self) -> None:
        sock = socket.create_connection((self._broker.address, 443), _SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._broker.tls.wrap_socket(sock, server_hostname=self._broker.host)

    def ask(self, token: str, *, last: bool) -> None:
        """Ask for a grant, and check it. Any other answer is an AssertionError."""
        body = json.dumps({"connector": self._broker.connector, "rejected": None})
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        headers |= {"Connection": "close"} if last else {}
        self.request("POST", GRANTS_PATH, body, headers)
        answer = self.getresponse()
        document = answer.read()
        assert answer.status == 200, document
        grant = Grant.parse(document)
        assert grant.credential is not None, "a grant without a credential"
        assert grant.credential.password.reveal() == self._broker.password, "a grant of another Secret"


class Load(NamedTuple):
    seconds: float
    latencies: Sequence[float]
    """Seconds, of every grant, sorted"""

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000


def grants(broker: Broker, tokens: Sequence[str], clients: int, seconds: float, *, is_reused: bool) -> Load:
    """Let `clients` ask at once, without pauses. `is_reused`: each client reuses its connection."""
    latencies: list[list[float]] = [[] for _ in range(clients)]
    failures: list[BaseException] = []
    began = time.perf_counter()

    def run(number: int) -> None:
        try:
            token = tokens[number % len(tokens)]
            _ask_until(broker, token, began + seconds, latencies[number], is_reused=is_reused)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return Load(time.perf_counter() - began, sorted(latency for part in latencies for latency in part))


def _ask_until(
    broker: Broker, token: str, deadline: float, latencies: list[float], *, is_reused: bool
) -> None:
    connection = broker.connect()
    try:
        while time.perf_counter() < deadline:
            began = time.perf_counter()
            connection.ask(token, last=not is_reused)
            latencies.append(time.perf_counter() - began)
    finally:
        connection.close()

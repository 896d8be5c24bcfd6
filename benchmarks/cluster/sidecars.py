"""Clients of the broker that ask as sidecars do, with a real token and over TLS, and faster than any."""

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
    """Where it is, and what it must answer."""

    address: str
    host: str
    """Whom the certificate names"""
    tls: ssl.SSLContext
    connector: str
    password: str
    """Each grant must hold it"""

    def connect(self) -> "Connection":
        return Connection(self)


class Connection(http.client.HTTPSConnection):
    """Goes to an address; Pods have a resolver for the host's name, this machine has none."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker.host, 443, timeout=_SECONDS, context=broker.tls)
        self._broker = broker

    def connect(self) -> None:
        sock = socket.create_connection((self._broker.address, 443), _SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._broker.tls.wrap_socket(sock, server_hostname=self._broker.host)

    def ask(self, token: str, *, last: bool) -> None:
        """One grant, looked at; AssertionError if it is anything else."""
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


def grants(broker: Broker, tokens: Sequence[str], clients: int, seconds: float, *, kept: bool) -> Load:
    """So many clients at once, each asking as fast as it is answered: on a connection kept, or anew."""
    found: list[list[float]] = [[] for _ in range(clients)]
    failures: list[BaseException] = []
    began = time.perf_counter()

    def run(number: int) -> None:
        try:
            _ask_until(broker, tokens[number % len(tokens)], began + seconds, found[number], kept=kept)
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
    return Load(time.perf_counter() - began, sorted(one for part in found for one in part))


def _ask_until(broker: Broker, token: str, deadline: float, found: list[float], *, kept: bool) -> None:
    connection = broker.connect()
    try:
        while time.perf_counter() < deadline:
            began = time.perf_counter()
            connection.ask(token, last=not kept)
            found.append(time.perf_counter() - began)
    finally:
        connection.close()

"""The broker's client: the Pod's token in, a grant out."""

import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sidecar.contract.errors import ContractError
from sidecar.contract.grant import Grant, grant_request
from sidecar.contract.origins import origin_of
from sidecar.contract.words import GRANTS_PATH
from sidecar.errors import BrokerRefused, BrokerUnreachable, BrokerUntrusted, UpstreamUnreachable
from sidecar.http.http1 import CHUNKED, MalformedHead, ResponseReader, find, render_request
from sidecar.sockets.connections import connect, make_tls_context

ANSWER_SECONDS = 10.0
"""The broker makes up to five calls to the API server, each within 2 s"""
_UNKNOWN_AUTHORITY = (7, 18, 19, 20, 21)
"""X509_V_ERR_… codes: a signature that fails, self-signed certificates, no issuer among the trusted ones
https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/"""
_REINSTALLED = (
    "the broker's certificate is of an authority that this Pod was not given: either the product was "
    "installed anew since this Pod began, or something else answers in its place; delete the Pod and create "
    "it anew"
)
NO_REASON = "Refused"
"""The reason of a refusal whose body is no problem document"""
_DOCUMENT_LIMIT = 1024 * 1024  # a CA bundle of the whole web is 220 KiB


class BrokerClient:
    """Asks a broker for the grant of a connector. It holds no token: the kubelet rotates the file."""

    def __init__(
        self,
        url: str,
        ca: str,
        token_file: str | os.PathLike[str],
        connector: str,
        path: str = GRANTS_PATH,
    ) -> None:
        self._origin = origin_of(url)
        self._path = urlsplit(url).path.rstrip("/") + path
        self._bundle = ca
        self._token_file = token_file
        self._connector = connector

    def fetch(self, rejected: str | None, cause: str | None = None) -> Grant:
        """Blocks for at most 30 s. Raises BrokerRefused or BrokerUnreachable."""
        return self._read(*self.post(grant_request(self._connector, rejected, cause)))

    def post(self, document: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and body of the broker's answer. Blocks as `fetch` does, and raises BrokerUnreachable."""
        body = json.dumps(document).encode()
        try:
            with connect(self._origin, self._tls()) as sock:
                return self._exchange(sock, body)
        except UpstreamUnreachable as error:
            raise _failure(error) from error
        except (OSError, MalformedHead) as error:
            raise BrokerUnreachable("the broker broke off its answer") from error

    def _tls(self) -> ssl.SSLContext:
        return make_tls_context(self._bundle)

    def _token(self) -> str:
        try:
            with open(self._token_file, encoding="ascii") as file:
                return file.read().strip()
        except (OSError, ValueError) as error:
            raise BrokerUnreachable(f"the Pod's token cannot be read from {self._token_file}") from error

    def _exchange(self, sock: socket.socket, body: bytes) -> tuple[int, bytes]:
        request = render_request(
            "POST",
            self._path,
            [
                (b"host", self._origin.netloc.encode("ascii")),
                (b"authorization", b"Bearer " + self._token().encode("ascii")),
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
            ],
        )
        deadline = time.monotonic() + ANSWER_SECONDS  # for the whole answer: all requests wait for it
        sock.settimeout(ANSWER_SECONDS)
        sock.sendall(request + body)
        reader = ResponseReader("POST")
        rest: bytes | None = None
        while rest is None:
            rest = reader.feed(_receive(sock, deadline))
        answer = reader.head()
        if answer.length == CHUNKED or (find(answer.headers, b"content-length") is None):
            raise MalformedHead("the broker's answers have a length")
        if answer.length > _DOCUMENT_LIMIT:
            raise MalformedHead("the broker's answer is too long")
        document = bytearray(rest)
        while len(document) < answer.length:
            document += _receive(sock, deadline)
        return answer.status, bytes(document[: answer.length])

    def _read(self, status: int, body: bytes) -> Grant:
        if status == 200:
            try:
                grant = Grant.parse(body)
            except ContractError as error:
                raise BrokerUnreachable(str(error)) from error
            self._learn(grant.broker_ca)
            return grant
        raise refusal_of(status, body)

    def _learn(self, newer: tuple[str, ...]) -> None:
        """Trust the authorities that a verified broker announces: a Pod may outlive its first CA."""
        for certificate in newer:
            if certificate.strip() in self._bundle:
                continue
            with contextlib.suppress(UpstreamUnreachable):  # a faulty certificate must not spoil the others
                make_tls_context(certificate)
                self._bundle += "\n" + certificate.strip() + "\n"


def refusal_of(status: int, body: bytes) -> BrokerRefused | BrokerUnreachable:
    """The error for an answer without a grant."""
    reason, detail = _read_problem(body)
    if 400 <= status < 500 and status != 429:
        return BrokerRefused(reason, detail or f"the broker refused with status {status}")
    return BrokerUnreachable(detail or f"the broker answered with status {status}")


def _failure(error: UpstreamUnreachable) -> BrokerUnreachable:
    """The error for a failed connection. An unverified certificate is no fault of the network, and each of
    its causes has a remedy of its own."""
    cause = error.__cause__
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return BrokerUnreachable(f"the broker cannot be reached: {error}")
    if cause.verify_code in _UNKNOWN_AUTHORITY:
        return BrokerUntrusted(_REINSTALLED)
    return BrokerUntrusted(
        f"the broker's certificate is not valid here: {cause.verify_message}; either a clock is wrong, or "
        "the broker could not renew it, or something else answers in its place"
    )


def _receive(sock: socket.socket, deadline: float) -> bytes:
    """Raises OSError at the end of the stream and after the deadline."""
    sock.settimeout(max(0.001, deadline - time.monotonic()))
    data = sock.recv(64 * 1024)
    if not data:
        raise ConnectionError("the broker closed the connection")
    return data


class _Problem(NamedTuple):
    reason: str
    detail: str


def _read_problem(body: bytes) -> _Problem:
    """Read a problem document (RFC 9457); the sentence of any other body is empty."""
    try:
        fields = json.loads(body)
        return _Problem(str(fields.get("reason") or NO_REASON), str(fields.get("detail") or ""))
    except (ValueError, AttributeError):
        return _Problem(NO_REASON, "")

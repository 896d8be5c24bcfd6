"""Connections to the registry and the broker: opened with verified TLS, kept for reuse."""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from types import TracebackType

from sidecar.contract.origins import Origin
from sidecar.errors import UpstreamUnreachable
from sidecar.sockets.loop import Loop, Task
from sidecar.sockets.wire import Wire

CONNECT_SECONDS = 10.0
"""For TCP to all addresses of a name together, and again for TLS. pip gives up after 30 s of silence (the
generated `timeout`) and retries: both fit, so that it reads our sentence instead"""
IDLE_SECONDS = 30.0
"""An idle connection is closed after this. Servers close theirs after 5 to 75 s; the pool notices it"""
POOL_LIMIT = 64
"""Idle connections per origin, more than uv opens. With 16, uv's next phase opened up to 34 of its 50
connections anew, a quarter of an install's CPU time"""

_LABEL_LIMIT = 63
"""Bytes of a label of a name (RFC 1035 §2.3.4)"""

_Address = tuple[socket.AddressFamily, tuple[str | int | bytes, ...]]
"""As the resolver returns it: for `socket.connect`"""

_ADDRESS = "check spec.address of the Connector, and that it can be reached from here"
_AUTHORITY = "put the CA that signed its certificate into a Secret and name it in spec.caCertSecretRef"


def make_tls_context(ca: str | None) -> ssl.SSLContext:
    """Verifying context; `ca` is a PEM bundle, None the system's. `UpstreamUnreachable` if it is no PEM."""
    try:
        context = ssl.create_default_context(cadata=ca) if ca else ssl.create_default_context()
    except (ssl.SSLError, ValueError) as error:
        raise UpstreamUnreachable(f"the CA bundle is not usable: {_tls_cause(error)}") from error
    # The same under each Python, and as curl and uv verify. 3.13 demands extensions that many private
    # authorities leave out (RFC 5280 §4.2.1.1): no forged certificate passes without them, for the signature
    # decides. And before 3.13 a bundle of the intermediate alone is no end of a chain
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def connect(
    origin: Origin,
    tls: ssl.SSLContext | None,
    *,
    is_declared: bool = True,
    guard: Callable[[Origin, list[str]], None] | None = None,
) -> socket.socket:
    """Open a connection, TLS for https; blocks. `is_declared`: the Connector itself names this origin.

    `guard`: raises UpstreamUnreachable for addresses that no Connector may name either.

    An origin that only a redirect names must not lead into the node or its cloud's metadata service. The same
    addresses are judged and connected to, because a second look-up of the name could return others.
    """
    try:
        name = _name(origin.host)
        addresses = _addresses(name, origin.port)
        if not is_declared:
            _judge(origin, addresses)
        if guard is not None:
            guard(origin, [str(place[0]) for _, place in addresses])
        sock = _connect_first(addresses)
    except UnicodeError as error:
        raise UpstreamUnreachable(
            f"cannot connect to {origin}: no host can have this name", _ADDRESS
        ) from error
    except OSError as error:
        cause = error.strerror or str(error) or type(error).__name__
        raise UpstreamUnreachable(f"cannot connect to {origin}: {cause.lower()}", _ADDRESS) from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            # a TLS stream without its closing alert was cut, and is no complete body (RFC 8446 §6.1)
            sock = tls.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)
        return sock
    except OSError as error:
        sock.close()
        hint = _AUTHORITY if isinstance(error, ssl.SSLCertVerificationError) else _ADDRESS
        raise UpstreamUnreachable(f"cannot speak TLS with {origin}: {_tls_cause(error)}", hint) from error
    except BaseException:
        sock.close()
        raise


class Pool:
    """Idle connections by key (origin, and how it was verified); the youngest is used first."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._idle: dict[object, list[tuple[float, Wire]]] = {}
        self._is_reaping = False

    def take(self, key: object, task: Task) -> Wire | None:
        """A connection for this task that was alive a moment ago, or None. It notices most dead ones."""
        idle = self._idle.get(key)
        while idle:
            since, wire = idle.pop()
            # bytes that arrived unasked would pass for the next response
            if time.monotonic() - since < IDLE_SECONDS and not wire.has_arrived(is_certain=True):
                wire.hand_over(task)
                return wire
            wire.close()
        return None

    def put(self, key: object, wire: Wire) -> None:
        """Store a connection whose last response was read to its end."""
        wire.hand_over(None)
        idle = self._idle.setdefault(key, [])
        idle.append((time.monotonic(), wire))
        if len(idle) > POOL_LIMIT:
            idle.pop(0)[1].close()
        if not self._is_reaping:
            self._is_reaping = True
            self._loop.spawn(self._reap())

    async def _reap(self) -> None:
        """Close expired connections, until the pool is empty."""
        while oldest := [idle[0][0] for idle in self._idle.values() if idle]:
            await self._loop.suspend(min(oldest) + IDLE_SECONDS)
            for idle in self._idle.values():
                while idle and self._loop.now - idle[0][0] >= IDLE_SECONDS:
                    idle.pop(0)[1].close()
        self._idle.clear()
        self._is_reaping = False


class closing_on_error:  # noqa: N801 (named as in contextlib; a generator takes three times as long)
    """Close the connection if the block fails: its place in the stream is unknown then."""

    __slots__ = ("_wire",)

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._wire.close()


def _name(host: str) -> bytes:
    """As the resolver and TLS take it. Raises UnicodeError if no host can have this name.

    In bytes: for a text Python would load its tables for names beyond ASCII, 0.35 MiB.
    """
    *labels, last = host.split(".")
    if not all(labels) or any(len(label) > _LABEL_LIMIT for label in (*labels, last)):
        raise UnicodeError("an empty label, or one that is too long")
    return host.encode("ascii")


def _addresses(name: bytes, port: int) -> list[_Address]:
    entries = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in entries]


def _judge(origin: Origin, addresses: list[_Address]) -> None:
    """Raises UpstreamUnreachable if an address is forbidden."""
    from sidecar.contract.destinations import why_forbidden  # for redirects alone

    for _, address in addresses:
        kind = why_forbidden(str(address[0]))
        if kind is not None:
            raise UpstreamUnreachable(f"a redirect led to {origin}, {kind}; not followed")


def _connect_first(addresses: list[_Address]) -> socket.socket:
    """Try each address in turn; the rest share the time that is left. Raises OSError."""
    until = time.monotonic() + CONNECT_SECONDS
    *others, last = addresses
    for left, address in zip(range(len(addresses), 1, -1), others, strict=True):
        with contextlib.suppress(OSError):
            return _connect_to(address, _share(until, left))
    return _connect_to(last, _share(until, 1))


def _connect_to(address: _Address, seconds: float) -> socket.socket:
    """`socket.create_connection` would look the address up, as if it were a name."""
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(place)
    except BaseException:
        sock.close()
        raise
    return sock


def _share(until: float, count: int) -> float:
    """Seconds for each of the remaining addresses; never 0, which is no valid time-out."""
    return max((until - time.monotonic()) / count, 0.01)


def _tls_cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()

"""The client's side of one exchange at the gateway."""

from typing import cast

from sidecar.contract.words import Code
from sidecar.exchange.client import Exchange
from sidecar.gateway.addresses import Address
from sidecar.gateway.sessions import Session
from sidecar.gateway.wires import GatewayWire
from sidecar.http.http1 import Headers, find
from sidecar.rules.answers import Answer

_OURS = frozenset({b"authorization", b"proxy-authorization", b"host", b"cookie"})
_NO_UPLOAD = (
    "this ServiceAccount may not upload: that needs a Connector with access readwrite, and permission to "
    "publish with it"
)
_INNER_HOST = (b"host", b"localhost")


class GatewayExchange(Exchange):
    """It knows by which address the client came, and ends its connection while the gateway drains."""

    __slots__ = ("local", "prefix")

    @property
    def peer(self) -> str:
        """The client's address; an Ingress has its own."""
        return self._gateway_wire().peer

    @property
    def last_session(self) -> Session | None:
        """Of the request before on this connection: its token need not be read again."""
        return self._gateway_wire().last_session

    @property
    def last_presented(self) -> list[bytes]:
        """The Authorization headers of that request."""
        return self._gateway_wire().last_presented

    def remember(self, presented: list[bytes], session: Session) -> None:
        self._gateway_wire().last_presented = presented
        self._gateway_wire().last_session = session

    def enter(self, address: Address, scheme: str) -> None:
        """Go on as a request of the connector's own listener: without the prefix and the client's token."""
        self.local = f"{scheme}://{address.host}{address.prefix}"
        self.prefix = address.prefix
        headers = [_INNER_HOST, *(pair for pair in self.head.headers if pair[0] not in _OURS)]
        self.head = self.head._replace(target=address.target, headers=headers)

    def begin(
        self, status: int, reason: bytes, headers: Headers, length: int | None, *, has_body: bool = True
    ) -> bytes:
        """As the base; no cache on the way may answer others with what a token opened."""
        return super().begin(status, reason, _private(headers), length, has_body=has_body)

    def worded(self, answer: Answer) -> Answer:
        """Where the engine speaks of a Pod, in words for a client that is none."""
        return answer._replace(sentence=_NO_UPLOAD) if answer.code == Code.UPLOAD_NOT_GRANTED else answer

    def _must_close(self) -> bool:
        self._closes = self._closes or self._gateway_wire().state.is_draining
        return super()._must_close()

    def _gateway_wire(self) -> GatewayWire:
        return cast("GatewayWire", self.wire)  # the server makes no others


def _private(headers: Headers) -> Headers:
    """RFC 9111 §3.5: a shared cache may keep a `public` answer to an authorized request."""
    control = find(headers, b"cache-control")
    if control is None:
        return [*headers, (b"cache-control", b"private")]
    parts = [
        part.strip() for name, value in headers if name == b"cache-control" for part in value.split(b",")
    ]
    kept = [
        part for part in parts if part and not part.lower().startswith((b"public", b"s-maxage", b"private"))
    ]
    others = [header for header in headers if header[0] != b"cache-control"]
    return [*others, (b"cache-control", b", ".join([*kept, b"private"]))]

"""Questions to the broker for clients: the gateway's own token and the client's in, a grant out."""

from pathlib import Path

from sidecar.contract.errors import ContractError
from sidecar.contract.gateway import GatewayGrant
from sidecar.contract.grant import gateway_grant_request
from sidecar.contract.secret import Secret
from sidecar.contract.words import GATEWAY_GRANTS_PATH
from sidecar.errors import BrokerRefused, BrokerUnreachable, TokenRefused, TurnedAway
from sidecar.grants.broker import NO_REASON, BrokerClient, refusal_of

_UNAUTHORIZED, _TOO_MANY = 401, 429
_OF_THE_GATEWAY = "Gateway"
"""Reasons that begin so are about the gateway's own token or Pod: no fault of the client"""
_UNDECIDED = (NO_REASON, "NotFound", "MethodNotAllowed")
"""No decision about anybody: a broker that is older and has no such path, or something in its place"""


class GatewayBroker:
    """Asks for any client and connector. It may be asked from several threads at once."""

    def __init__(self, url: str, ca_file: Path, token_file: str) -> None:
        self._url = url
        self._ca_file = ca_file
        self._token_file = token_file

    def fetch(self, connector: str, token: Secret, rejected: str | None, cause: str | None) -> GatewayGrant:
        """Blocks for at most 30 s. Raises BrokerRefused, TurnedAway above all, or BrokerUnreachable."""
        request = gateway_grant_request(connector, rejected, token, cause)
        status, body = self._client(connector).post(request)
        if status == 200:
            try:
                return GatewayGrant.parse(body)
            except ContractError as error:
                raise BrokerUnreachable(str(error)) from error
        refusal = refusal_of(status, body)
        if status == _TOO_MANY:
            raise TurnedAway("TurnedAway", str(refusal))
        if not isinstance(refusal, BrokerRefused):
            raise refusal
        if refusal.reason.startswith(_OF_THE_GATEWAY):
            raise BrokerUnreachable(f"the broker does not accept this gateway: {refusal}")
        if refusal.reason in _UNDECIDED:
            raise BrokerUnreachable(f"the broker gives no grants to gateways: {refusal}")
        raise TokenRefused(refusal.reason, str(refusal)) if status == _UNAUTHORIZED else refusal

    def _client(self, connector: str) -> BrokerClient:
        """A new one each time: the authorities in the file change while the process runs."""
        try:
            ca = self._ca_file.read_text("ascii")
        except (OSError, ValueError) as error:
            raise BrokerUnreachable(
                f"the broker's authorities cannot be read from {self._ca_file}"
            ) from error
        if not ca.strip():  # the system's authorities would count in its place
            raise BrokerUnreachable(f"{self._ca_file} holds no certificate")
        return BrokerClient(self._url, ca, self._token_file, connector, GATEWAY_GRANTS_PATH)

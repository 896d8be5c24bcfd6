"""Answer to a gateway: grant document v1 for the connector, and two fields about the client of the token."""

import json
from typing import Any, NamedTuple

from sidecar.contract.errors import ContractError
from sidecar.contract.grant import Grant

_SECONDS_LIMIT = 1e9
"""Thirty years: more than the life of any token"""


class GatewayGrant(NamedTuple):
    """A grant that a gateway holds for a client."""

    grant: Grant
    client: str
    """`namespace/serviceaccount`"""
    expires_seconds: float
    """Remaining life of the client's token. Neither life of the grant is longer"""

    def document(self) -> dict[str, Any]:
        """The JSON object on the wire, with the password."""
        return {
            **self.grant.document(),
            "client": self.client,
            "expiresSeconds": self.expires_seconds,
        }

    @classmethod
    def parse(cls, body: str | bytes) -> "GatewayGrant":
        """Read a document, but ignore unknown fields. The ContractError never quotes it."""
        grant = Grant.parse(body)
        fields = json.loads(body)
        client, seconds = fields.get("client"), fields.get("expiresSeconds")
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        # NaN, too, is no number of seconds: each comparison with it is false
        if not isinstance(client, str) or not is_number or not 0 <= seconds <= _SECONDS_LIMIT:
            raise ContractError("the grant document names no client, or no end of the client's token")
        return cls(grant, client, float(seconds))

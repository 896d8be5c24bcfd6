"""Where no Connector may send the gateway: into its own Pod, its node, or its cloud's metadata service.

A sidecar connects from the Pod of who uses it. The gateway stands in another network, and whoever may write a
Connector chooses its address.
"""

from sidecar.contract.destinations import why_forbidden
from sidecar.contract.origins import Origin
from sidecar.errors import UpstreamUnreachable


class Guard:
    """Judges the addresses that are about to be connected to."""

    def __init__(self, *, is_loopback_allowed: bool) -> None:
        self._is_loopback_allowed = is_loopback_allowed

    def __call__(self, origin: Origin, addresses: list[str]) -> None:
        """Raises UpstreamUnreachable if an address is forbidden."""
        for address in addresses:
            kind = why_forbidden(address, is_loopback_allowed=self._is_loopback_allowed)
            if kind is not None:
                raise UpstreamUnreachable(f"{origin} is {kind}, and the gateway does not connect there")

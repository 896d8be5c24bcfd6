"""The gateway's own refusals, before any registry is asked. Pure."""

from sidecar.contract.words import GATEWAY_AUDIENCE
from sidecar.errors import Refusal

CHALLENGE = (b"www-authenticate", b'Basic realm="PyPI Connector", charset="UTF-8"')
"""RFC 7617. pip then asks a person for user name and password, and uv looks into its stores"""


class GatewayCode:
    """Why the gateway answers by itself: `reason` in its log. Stable."""

    TOKEN_MISSING = "token-missing"  # noqa: S105 (a code)
    TOKEN_MALFORMED = "token-malformed"  # noqa: S105
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    WRONG_AUDIENCE = "token-audience"
    TOO_MANY_STRANGERS = "too-many-new-tokens"
    GATEWAY_BUSY = "gateway-busy"
    LOOP = "connector-loop"


HOPS_LIMIT = 3
"""Of our proxies before this one: a Pod's sidecar, and the gateways of two clusters"""


def check_hops(hops: int) -> None:
    """Raises the Refusal of a request that goes in a circle. One request would take all places otherwise."""
    if hops >= HOPS_LIMIT:
        sentence = f"this request has passed {hops} proxies of ours: does a Connector name the gateway?"
        raise Refusal(508, GatewayCode.LOOP, sentence)


def unauthorized(code: str, sentence: str) -> Refusal:
    """The one kind of 401. The sidecar never sends it, for there no client is to be asked for a password."""
    return Refusal(401, code, sentence)


def missing() -> Refusal:
    sentence = (
        f"present a ServiceAccount token of audience {GATEWAY_AUDIENCE}: as the password, with any user "
        "name, or as a bearer token"
    )
    return unauthorized(GatewayCode.TOKEN_MISSING, sentence)


def malformed(detail: str) -> Refusal:
    return unauthorized(GatewayCode.TOKEN_MALFORMED, f"this is no ServiceAccount token: {detail}")


def busy(code: str, sentence: str) -> Refusal:
    """pip and uv repeat a request after 503, and not after 429."""
    return Refusal(503, code, f"{sentence}: try again", retry_after=1)

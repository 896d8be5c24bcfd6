"""A request for a grant as it arrives: the bearer token in the head, `GrantRequest` in the body."""

import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from sidecar.contract.secret import Secret
from sidecar.contract.words import CAUSES
from webhook.errors import InvalidValue, Refusal
from webhook.grant.reasons import BrokerReason
from webhook.grant.trail import GrantRequest
from webhook.identifiers import ConnectorKey
from webhook.server.body import Fault, UnusableBody, read_body

BODY_LIMIT = 4096
"""Bytes. A connector's key is at most 63 + 1 + 253, a version about 120: ten times that, to be safe."""

DEADLINE_SECONDS = 8.0
"""For body and cluster together: the sidecar waits 10 s, and 503 is a better answer than none."""

GATEWAY_BODY_LIMIT = 40 * 1024
"""Bytes. A client's head has 32 KiB at most, its token included"""

BODY_SECONDS = 3.0
"""A sidecar sends head and body in one packet; a client that needs longer holds a connection for nothing."""

_BEARER = re.compile(r"Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *", re.IGNORECASE)


async def read_grant_request(http: Request) -> tuple[Secret, GrantRequest]:
    """Raises `errors.Refusal`, and starlette's `ClientDisconnect`."""
    token = _bearer(http)
    return token, _parse(await _fields(http, BODY_LIMIT))


async def read_gateway_request(http: Request) -> tuple[Secret, Secret, GrantRequest]:
    """The gateway's token, its client's, and the rest of the body. The client's token is any text: what a
    stranger sends to a gateway must be no fault of the gateway."""
    own = _bearer(http)
    fields = await _fields(http, GATEWAY_BODY_LIMIT)
    token = fields.get("token")
    if not isinstance(token, str):
        raise _malformed('"token" must be a text')
    return own, Secret(token), _parse(fields)


async def _fields(http: Request, limit: int) -> Mapping[str, Any]:
    try:
        body = await read_body(http, limit=limit, seconds=BODY_SECONDS)
    except UnusableBody as error:
        raise _refusal(error.fault, limit) from None
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise _malformed("the body is not JSON") from None
    if not isinstance(fields, dict):
        raise _malformed("the body must be a JSON object")
    return fields


def _bearer(http: Request) -> Secret:
    values = http.headers.getlist("Authorization")
    if not values:
        raise Refusal(BrokerReason.TOKEN_MISSING, "send the projected token as Authorization: Bearer")
    match = _BEARER.fullmatch(values[0])
    if not match or len(values) > 1:
        # refused here, it costs the API server nothing
        raise Refusal(BrokerReason.TOKEN_MALFORMED, "Authorization is not one bearer token in JWT form")
    return Secret(match[1])


def _refusal(fault: Fault, limit: int) -> Refusal:
    match fault:
        case Fault.TYPE:
            return Refusal(BrokerReason.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
        case Fault.SIZE:
            return Refusal(BrokerReason.BODY_TOO_LARGE, f"the body may have {limit} bytes")
        case Fault.TIME:
            sentence = f"the body did not arrive within {BODY_SECONDS:g} seconds"
            return Refusal(BrokerReason.BODY_TOO_SLOW, sentence)


def _parse(fields: Mapping[str, Any]) -> GrantRequest:
    """Unknown fields pass: a newer sidecar may send more."""
    try:
        connector = ConnectorKey.parse(str(fields.get("connector")))
    except InvalidValue:
        raise _malformed('"connector" must be a text namespace/name') from None
    rejected = fields.get("rejected")
    if not (rejected is None or isinstance(rejected, str)):
        raise _malformed('"rejected" must be a version or null')
    cause = fields.get("cause")
    if not (cause is None or isinstance(cause, str)):
        raise _malformed('"cause" must be a text or null')
    enforces = fields.get("enforces", [])  # an older sidecar does not send it
    if not isinstance(enforces, list) or not all(isinstance(rule, str) for rule in enforces):
        raise _malformed('"enforces" must be a list of texts')
    return GrantRequest(connector, rejected, cause if cause in CAUSES else None, enforces)


def _malformed(sentence: str) -> Refusal:
    return Refusal(BrokerReason.BODY_MALFORMED, sentence)

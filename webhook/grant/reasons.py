"""Named reasons of the broker's answers and of a Pod's violations: for logs, Events and problem documents.

A reason is stable; the sentence beside it may change. Secrets and admission have reasons of their own, in
`webhook.connector` and `webhook.pod`.
"""

from collections.abc import Mapping
from enum import StrEnum

from webhook.pod.reasons import Reason


class BrokerReason(StrEnum):
    """Why the broker gives no grant."""

    # -- the request
    TOKEN_MISSING = "TokenMissing"  # noqa: S105 (a reason, no token)
    TOKEN_MALFORMED = "TokenMalformed"  # noqa: S105
    UNSUPPORTED_MEDIA_TYPE = "UnsupportedMediaType"
    BODY_TOO_LARGE = "BodyTooLarge"
    BODY_TOO_SLOW = "BodyTooSlow"
    BODY_MALFORMED = "BodyMalformed"
    TOO_MANY_FAILED_TOKENS = "TooManyFailedTokens"
    TOO_MANY_REFUSALS = "TooManyRefusals"

    # -- the token
    TOKEN_NOT_AUTHENTICATED = "TokenNotAuthenticated"  # noqa: S105
    TOKEN_AUDIENCE_MISSING = "TokenAudienceMissing"  # noqa: S105
    TOKEN_NOT_SERVICE_ACCOUNT = "TokenNotServiceAccount"  # noqa: S105
    TOKEN_NOT_POD_BOUND = "TokenNotPodBound"  # noqa: S105

    # -- the token of a gateway's client
    CLIENT_TOKEN_NOT_AUTHENTICATED = "ClientTokenNotAuthenticated"  # noqa: S105
    CLIENT_TOKEN_AUDIENCE_MISSING = "ClientTokenAudienceMissing"  # noqa: S105
    CLIENT_TOKEN_NOT_SERVICE_ACCOUNT = "ClientTokenNotServiceAccount"  # noqa: S105

    # -- the gateway itself
    GATEWAY_TOKEN_REFUSED = "GatewayTokenRefused"  # noqa: S105
    GATEWAY_NOT_ALLOWED = "GatewayNotAllowed"
    GATEWAY_POD_GONE = "GatewayPodGone"
    GATEWAY_TOO_OLD = "GatewayTooOld"

    # -- the Pod
    POD_NOT_FOUND = "PodNotFound"
    POD_RECREATED = "PodRecreated"
    POD_FINISHED = "PodFinished"
    ANNOTATION_INVALID = "AnnotationInvalid"
    CONNECTOR_NOT_NAMED = "ConnectorNotNamed"
    SIDECAR_TOO_OLD = "SidecarTooOld"

    # -- the Connector
    ACCESS_DENIED = "AccessDenied"
    CONNECTOR_NOT_FOUND = "ConnectorNotFound"
    CONNECTOR_INVALID = "ConnectorInvalid"

    # -- no refusal: the broker could not decide, and a grant in hand serves on
    CLUSTER_UNAVAILABLE = "ClusterUnavailable"
    CLUSTER_REFUSED = "ClusterRefused"
    INTERNAL_ERROR = "InternalError"


class ViolationReason(StrEnum):
    """How a Pod fails to keep the credential apart from its workload (`webhook.grant.isolation`)."""

    # -- the sidecar's container
    SIDECAR_ABSENT = "SidecarAbsent"
    SIDECAR_NAME_TAKEN = "SidecarNameTaken"
    SIDECAR_IMAGE = "SidecarImage"
    """May end a moment later: the settings of another replica can name the image"""
    SIDECAR_SHAPE_UNKNOWN = "SidecarShapeUnknown"
    SIDECAR_COMMAND = "SidecarCommand"
    SIDECAR_ARGUMENTS = "SidecarArguments"
    SIDECAR_WORKING_DIRECTORY = "SidecarWorkingDirectory"
    SIDECAR_RESTART_POLICY = "SidecarRestartPolicy"
    SIDECAR_LIFECYCLE = "SidecarLifecycle"
    SIDECAR_TERMINATION = "SidecarTermination"
    SIDECAR_PROBE = "SidecarProbe"
    SIDECAR_TERMINAL = "SidecarTerminal"
    SIDECAR_VARIABLE = "SidecarVariable"
    SIDECAR_VARIABLE_FORBIDDEN = "SidecarVariableForbidden"
    SIDECAR_ENV_FROM = "SidecarEnvFrom"
    SIDECAR_MOUNT = "SidecarMount"
    SIDECAR_FOREIGN_MOUNT = "SidecarForeignMount"
    SIDECAR_DEVICE = "SidecarDevice"
    SIDECAR_SECURITY_CONTEXT = "SidecarSecurityContext"

    # -- the Pod around it
    TOKEN_VOLUME = "TokenVolume"  # noqa: S105 (a reason, no token)
    CONFIG_VOLUME = "ConfigVolume"
    TOKEN_PROJECTED_ELSEWHERE = "TokenProjectedElsewhere"  # noqa: S105
    TOKEN_MOUNTED_ELSEWHERE = "TokenMountedElsewhere"  # noqa: S105
    CONFIG_MOUNTED_WRITABLE = "ConfigMountedWritable"
    EPHEMERAL_CONTAINER_TARGETS_SIDECAR = "EphemeralContainerTargetsSidecar"
    HOST_NETWORK = Reason.HOST_NETWORK.value
    HOST_PID = Reason.HOST_PID.value
    SHARE_PROCESS_NAMESPACE = Reason.SHARE_PROCESS_NAMESPACE.value


STATUSES: Mapping[str, int] = {
    BrokerReason.TOKEN_MISSING: 401,
    BrokerReason.TOKEN_MALFORMED: 401,
    BrokerReason.UNSUPPORTED_MEDIA_TYPE: 415,
    BrokerReason.BODY_TOO_LARGE: 413,
    # not 408: the network is at fault, and a sidecar ends its grant on any 4xx but 429
    BrokerReason.BODY_TOO_SLOW: 503,
    BrokerReason.BODY_MALFORMED: 400,
    BrokerReason.TOO_MANY_FAILED_TOKENS: 429,
    BrokerReason.TOO_MANY_REFUSALS: 429,
    BrokerReason.TOKEN_NOT_AUTHENTICATED: 401,
    BrokerReason.TOKEN_AUDIENCE_MISSING: 401,
    BrokerReason.TOKEN_NOT_SERVICE_ACCOUNT: 403,
    BrokerReason.TOKEN_NOT_POD_BOUND: 403,
    # 401 for what a new token mends: the gateway asks its client for one
    BrokerReason.CLIENT_TOKEN_NOT_AUTHENTICATED: 401,
    BrokerReason.CLIENT_TOKEN_AUDIENCE_MISSING: 401,
    BrokerReason.CLIENT_TOKEN_NOT_SERVICE_ACCOUNT: 401,
    BrokerReason.GATEWAY_TOKEN_REFUSED: 403,
    BrokerReason.GATEWAY_NOT_ALLOWED: 403,
    BrokerReason.GATEWAY_POD_GONE: 403,
    BrokerReason.GATEWAY_TOO_OLD: 403,
    BrokerReason.POD_NOT_FOUND: 403,
    BrokerReason.POD_RECREATED: 403,
    BrokerReason.POD_FINISHED: 403,
    BrokerReason.ANNOTATION_INVALID: 403,
    BrokerReason.CONNECTOR_NOT_NAMED: 403,
    BrokerReason.SIDECAR_TOO_OLD: 403,
    BrokerReason.ACCESS_DENIED: 403,
    BrokerReason.CONNECTOR_NOT_FOUND: 404,
    BrokerReason.CONNECTOR_INVALID: 403,
    # not 403, which would end the grants in hand: no rule has refused this Pod
    BrokerReason.CLUSTER_UNAVAILABLE: 503,
    BrokerReason.CLUSTER_REFUSED: 503,
    BrokerReason.INTERNAL_ERROR: 500,
}
"""Reason → HTTP status. A test holds it against the enum."""


def status_of(reason: str) -> int:
    """The HTTP status of a refusal. A violation, and a Secret that cannot be used, are 403."""
    return STATUSES.get(reason, 403)

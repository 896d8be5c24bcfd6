"""Named reasons: of a Connector or a Secret that cannot be used, and of a Connector's conditions. Pure.

Conditions, Events and refusals of the broker show them. Names of the reference system are used where it has
them, so that its users' scripts keep working.
"""

from enum import StrEnum


class ConnectorReason(StrEnum):
    """Why a Connector, or a Secret that it names, cannot be used.

    Stable CamelCase references; the sentence beside a reason may change, the reason does not.
    """

    # -- the Connector itself
    CONNECTOR_CLASS_NOT_FOUND = "ConnectorClassNotFound"
    CONNECTOR_CLASS_INVALID = "ConnectorClassInvalid"
    INVALID_NAME = "InvalidName"
    INVALID_SHAPE = "InvalidShape"
    INVALID_ADDRESS = "InvalidAddress"
    INSECURE_ADDRESS = "InsecureAddress"
    INVALID_PARAMETER = "InvalidParameter"
    INVALID_AUTH = "InvalidAuth"
    SECRET_REQUIRED = "SecretRequired"  # noqa: S105 (a reason)
    FOREIGN_SECRET = "ForeignSecret"  # noqa: S105 (a reason)

    # -- the Secret of user name and password
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 (a reason)
    SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105 (a reason)
    SECRET_UNREADABLE = "SecretUnreadable"  # noqa: S105 (a reason)
    SECRET_TYPE_MISMATCH = "SecretTypeMismatch"  # noqa: S105 (a reason)
    SECRET_EMPTY = "SecretEmpty"  # noqa: S105 (a reason)
    SECRET_USERNAME_HAS_COLON = "SecretUsernameHasColon"  # noqa: S105 (a reason)
    SECRET_HAS_CONTROL_CHARACTER = "SecretHasControlCharacter"  # noqa: S105 (a reason)
    SECRET_NOT_BASE64 = "SecretNotBase64"  # noqa: S105 (a reason)
    SECRET_NOT_UTF8 = "SecretNotUTF8"  # noqa: S105 (a reason)

    # -- the Secret of the CA
    CA_SECRET_NOT_FOUND = "CASecretNotFound"  # noqa: S105 (a reason)
    CA_SECRET_FORBIDDEN = "CASecretForbidden"  # noqa: S105 (a reason)
    CA_SECRET_UNREADABLE = "CASecretUnreadable"  # noqa: S105 (a reason)
    CA_SECRET_WITHOUT_KEY = "CASecretWithoutKey"  # noqa: S105 (a reason)
    INVALID_PEM = "InvalidPEM"


class ConditionReason(StrEnum):
    """Reasons of conditions that no problem of a manifest explains."""

    VALID = "Valid"
    SECRET_OPTIONAL = "SecretOptional"  # noqa: S105 (a reason)
    SECRET_WITHOUT_USERNAME = "SecretWithoutUsername"  # noqa: S105 (a reason)
    SECRET_WITHOUT_PASSWORD = "SecretWithoutPassword"  # noqa: S105 (a reason)
    NO_CA_CERT = "NoCACert"
    NOT_CHECKED = "NotChecked"
    NOT_PROBED = "NotProbed"
    CONNECTION_FAILED = "ConnectionFailed"
    NOT_AN_INDEX = "NotAnIndex"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    CONNECTOR_INVALID = "ConnectorInvalid"
    GATEWAY_NOT_READY = "GatewayNotReady"
    SERVICE_NAME_TAKEN = "ServiceNameTaken"
    SERVICE_REFUSED = "ServiceRefused"
    TEMPLATE_INVALID = "TemplateInvalid"
    """Of a class: a template cannot be used, and Pods get the built-in file"""

"""Words that webhook and sidecar both use: paths, names, codes of the log and of answers."""

SHAPE = "3"
"""Version of what the webhook injects. A change that the broker could notice gets the next number."""

COMMAND = ("python3", "-I", "-m", "sidecar")

CONFIG_DIR = "/etc/pypi-connector"
"""The folder of the client configuration: writable in the sidecar, read-only in the workload"""
VOLUMES_DIR = "/etc/pypi-connector-volumes"
"""In the sidecar, each volume of the Pod that the workload mounts by itself is in here, under its name"""

ALONE = "next=no"
"""Query of a page that is looked for at no other connector: `uv publish` asks its target alone"""

TOKEN_DIR = "/var/run/secrets/pypi-connector"  # noqa: S105 (a path)
TOKEN_FILE = TOKEN_DIR + "/token"
TOKEN_AUDIENCE = "pypi-connector"  # noqa: S105 (a name)
GRANTS_PATH = "/v1/grants"
GATEWAY_AUDIENCE = "pypi-connector-gateway"
"""Of the tokens that clients present to the gateway. No sidecar gets a grant with such a token"""
GATEWAY_GRANTS_PATH = "/v1/gateway-grants"

BROKER_CA_VARIABLE = "SIDECAR_BROKER_CA"
"""Holds the CAs that a Pod's sidecar trusts; `explain` compares them with the present ones"""

LOG_LEVELS = ("debug", "info", "warning", "error")


class Line:
    """Messages of the sidecar's log. A credential that rests is logged under its code.

    `Line` and `Code` are no enums: to make two of this size takes 0.4 ms of each start.
    """

    LISTENING = "listening"
    CANNOT_START = "cannot start"
    STOPPED = "stopped"
    REQUEST = "request"
    PAGE_READ = "page read for a file that no page had listed"
    CREDENTIAL_ACCEPTED = "credential accepted again"
    CONNECTION_REFUSED = "connection refused"
    PEER_REFUSED = "connection of another user refused"
    LINES_LOST = "log lines were lost: nobody read them"
    INTERNAL_ERROR = "internal error"
    CERTIFICATE_LOADED = "certificate loaded"
    CERTIFICATE_UNUSABLE = "certificate not usable"
    """The last two are the gateway's"""


class Code:
    """Why the sidecar answers a request itself: `reason` in its log. Stable.

    A refusal of the broker has the broker's own reason instead, in CamelCase.
    """

    CREDENTIAL_REFUSED = "credential-refused"
    """The registry answers 401 to a credential that it never accepted"""
    CREDENTIAL_RESTS = "credential-rests"
    """It answers 401 again and again to a credential that it accepted before"""
    REQUEST_REFUSED = "request-refused"
    """It answers 401 to one request, twice, with a credential that it accepts for others"""
    REGISTRY_FORBIDS = "registry-forbids"
    """It answers 403"""
    REGISTRY_UNREACHABLE = "registry-unreachable"
    """It cannot be connected to"""
    REGISTRY_BROKE_OFF = "registry-broke-off"
    """Its answer ends early, or is no HTTP"""
    UPLOAD_UNCONFIRMED = "upload-unconfirmed"
    """It got a whole upload, and gave no answer that can be read: it may have taken the package"""
    REGISTRY_BUSY = "registry-busy"
    """All places of this Pod at the registry stayed taken"""
    STORAGE_REFUSES = "storage-refuses"
    """Another origin, to which the registry redirects or links, answers 401 or 403"""
    PAGE_UNAVAILABLE = "page-unavailable"
    """It answers 429 or 5xx for the page that may list a file"""
    CREDENTIAL_MISSING = "credential-missing"
    CREDENTIAL_RENEWED = "credential-renewed"
    """The upload must be sent again, with the newer credential"""

    BROKER_UNREACHABLE = "broker-unreachable"
    BROKER_UNTRUSTED = "broker-untrusted"
    """Its certificate cannot be verified"""

    PACKAGE_DENIED = "package-denied"
    UPLOAD_NOT_GRANTED = "upload-not-granted"
    FORM_REFUSED = "form-refused"
    """The body of a POST is no form that uploads a file"""
    PATH_NOT_SERVED = "path-not-served"
    FILE_NOT_LISTED = "file-not-listed"
    """A file outside the Connector's address, or with an odd name, that no page of the index lists"""
    REDIRECT_NOT_FOLLOWED = "redirect-not-followed"
    REDIRECT = "redirect"
    """No refusal: the index is at the registry's own path"""
    NEXT_CONNECTOR = "next-connector"
    """No refusal: the registry does not have the project, and the next connector in order is asked"""

    BAD_REQUEST = "bad-request"
    BAD_TARGET = "bad-target"
    TARGET_TOO_LONG = "target-too-long"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    WRONG_HOST = "wrong-host"
    BROWSER_REFUSED = "browser-refused"
    SLOW_REQUEST = "slow-request"
    TOO_BUSY = "too-busy"
    CLIENT_GONE = "client-gone"
    """The client left before it was answered"""
    INTERNAL_ERROR = "internal-error"


CAUSES = (
    Code.CREDENTIAL_REFUSED,
    Code.CREDENTIAL_RESTS,
    Code.REQUEST_REFUSED,
    Code.REGISTRY_FORBIDS,
    Code.REGISTRY_UNREACHABLE,
)
"""Why a sidecar asks for a newer grant than its own"""

NO_GRANT, NO_GRANT_YET = "no grant: ", "no grant yet: "
"""Prefixes of the sentence that answers a request without a grant"""

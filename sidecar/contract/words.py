"""Words that webhook and sidecar both use: paths, names, codes of the log and of answers."""

SHAPE = "2"
"""Version of what the webhook injects. A change that the broker could notice gets the next number."""

COMMAND = ("python3", "-I", "-m", "sidecar")

CONFIG_DIR = "/etc/pypi-connector"
"""Where the client configuration lies, in the sidecar (writable) and in the workload (read-only)."""

TOKEN_DIR = "/var/run/secrets/pypi-connector"  # noqa: S105 (a path)
TOKEN_FILE = TOKEN_DIR + "/token"
TOKEN_AUDIENCE = "pypi-connector"  # noqa: S105 (a name)
GRANTS_PATH = "/v1/grants"

BROKER_UNREACHABLE, BROKER_UNTRUSTED = "broker-unreachable", "broker-untrusted"
"""Codes in the sidecar's log: the broker does not answer; its certificate cannot be verified"""
LOG_LEVELS = ("debug", "info", "warning", "error")

CREDENTIAL_REFUSED = "credential-refused"
"""The registry answers 401 to a credential that it never accepted"""
CREDENTIAL_RESTS = "credential-rests"
"""It answers 401 again and again to a credential that it accepted before"""
REQUEST_REFUSED = "request-refused"
"""It answers 401 to one request, twice, with a credential that it accepts for others"""
REGISTRY_FORBIDS = "registry-forbids"
"""It answers 403"""
REGISTRY_UNREACHABLE = "registry-unreachable"
"""There is no connection to it"""
CAUSES = (CREDENTIAL_REFUSED, CREDENTIAL_RESTS, REQUEST_REFUSED, REGISTRY_FORBIDS, REGISTRY_UNREACHABLE)
"""Why a sidecar asks for a newer grant than its own; also codes of its answers to clients"""

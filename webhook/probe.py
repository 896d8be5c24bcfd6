"""One look at a registry: is it there, does it take the credential. The only httpx import of the package."""

import logging
import ssl

import httpx

from webhook.conditions import Probe
from webhook.manifests import Registry

TIMEOUT_SECONDS = 10.0

_PROBED = "pypi-connector-probe"
"""A name that hardly any registry has: 404 says as much as 200, and costs the registry less"""

# it logs every URL at INFO
logging.getLogger("httpx").setLevel(logging.WARNING)


def probe(registry: Registry) -> Probe:
    """Ask for one page of the index. Redirects are not followed: being sent on is an answer too."""
    connector, credential = registry.connector, registry.credential
    url = f"{connector.index_url}{connector.probe_package or _PROBED}/"
    auth = httpx.BasicAuth(credential.username, credential.password.reveal()) if credential else None
    try:
        context = ssl.create_default_context(cadata=registry.ca)
        with (
            httpx.Client(verify=context, trust_env=False, timeout=TIMEOUT_SECONDS) as client,
            client.stream("GET", url, auth=auth, headers={"Accept": "text/html"}) as response,
        ):
            return _judge(response.status_code)
    except (httpx.HTTPError, ssl.SSLError) as error:
        return Probe("unreachable", _cause(error))


def _judge(status: int) -> Probe:
    detail = f"status code {status}"
    if status in (401, 403):
        return Probe("refused", detail)
    if 200 <= status < 400 or status == 404:
        return Probe("ok", detail)
    return Probe("unexpected", detail)


def _cause(error: Exception) -> str:
    """The innermost cause in plain words; httpx wraps twice."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"certificate verify failed: {found.verify_message}"
        if isinstance(found, ssl.SSLError) and found.reason:
            return found.reason.replace("_", " ").lower()
        if isinstance(found, OSError) and found.strerror:
            return found.strerror.lower()
        found = found.__cause__ or found.__context__
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    return str(error) or type(error).__name__

"""One look at a registry: is it there, does it take the credential. The only httpx import of the package."""

import logging
import ssl

import httpx

from webhook.conditions import Probe
from webhook.manifests import Registry

TIMEOUT_SECONDS = 10.0

_INDEX_TYPES = ("text/html", "application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+json")
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_PROBED = "pypi-connector-probe"
"""A name that hardly any registry has: 404 says as much as 200, and costs the registry less"""

# it logs every URL at INFO
logging.getLogger("httpx").setLevel(logging.WARNING)


def probe(registry: Registry) -> Probe:
    """Ask for a package's page, and for the index itself where that says nothing: an index must be seen.

    A 404 alone could come from any server at a wrong path. Redirects are not followed: a login page is none
    of an index's answers, and a registry's own index does not redirect.
    """
    connector, credential = registry.connector, registry.credential
    pages = [f"{connector.index_url}{connector.probe_package or _PROBED}/", connector.index_url]
    auth = httpx.BasicAuth(credential.username, credential.password.reveal()) if credential else None
    found = Probe("unexpected", "not asked")
    try:
        context = ssl.create_default_context(cadata=registry.ca)
        with httpx.Client(verify=context, trust_env=False, timeout=TIMEOUT_SECONDS) as client:
            for url in pages:
                with client.stream("GET", url, auth=auth, headers={"Accept": _ACCEPT}) as response:
                    found = _judge(response.status_code, response.headers.get("content-type", ""))
                if found.outcome != "unexpected":
                    break
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, UnicodeError) as error:
        return Probe("unreachable", _cause(error))
    return found


def _judge(status: int, content_type: str) -> Probe:
    detail = f"status code {status}"
    if status in (401, 403):
        return Probe("refused", detail)
    if status == 200 and content_type.partition(";")[0].strip().lower() in _INDEX_TYPES:
        return Probe("ok", detail)
    return Probe("unexpected", detail if status != 200 else f"{detail}, content type {content_type!r}")


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

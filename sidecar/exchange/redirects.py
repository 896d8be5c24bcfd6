"""Where a registry's redirect leads, and whether it is followed there. Pure."""

from urllib.parse import quote, urljoin, urlsplit

from sidecar.contract.grant import Credential
from sidecar.contract.origins import Origin, declared_as, origin_of
from sidecar.contract.words import Code
from sidecar.errors import Refusal, UpstreamBroken
from sidecar.exchange.granted import GrantedRegistry
from sidecar.exchange.redaction import redact
from sidecar.http.origins import login_of
from sidecar.rules.layout import Layout

_HIDDEN = (401, 403, 404)
"""Statuses of a place that may open with the credential; some registries hide such places by a 404"""


def redirected(
    url: str, location: bytes, registry: GrantedRegistry, *, is_page: bool
) -> tuple[str, Credential | None]:
    """The URL that a redirect leads to, and the user and password in it, for that request alone.

    The URL has none, so that nothing shows them, and no later redirect takes them along. The registry's own
    origin gets the Connector's credential instead.

    Raises Refusal or UpstreamBroken if the redirect must not be followed.
    """
    layout = registry.layout
    try:
        # some registries send a Location with spaces, and a space would end the target of our request
        parts = urlsplit(urljoin(url, quote(location, safe="!#$%&'()*+,/:;=?@[]")))
        here = origin_of(url)
        origin = declared_as(origin_of(parts), [layout.origin, *layout.foreign.values(), here])
    except ValueError as error:
        raise UpstreamBroken("the registry redirects to no http or https URL") from error
    _check_origin(origin, here, layout, is_page=is_page)
    is_ours = origin == layout.origin and registry.authorization is not None
    next_url = parts._replace(scheme=origin.scheme, netloc=origin.netloc, fragment="").geturl()
    return next_url, None if is_ours else login_of(parts)


def _check_origin(origin: Origin, here: Origin, layout: Layout, *, is_page: bool) -> None:
    gives_up_tls = origin.scheme == "http" and here.scheme == "https"
    advice = ", without TLS; not followed"
    if origin.host == layout.origin.host:
        advice += f": tell the registry that clients reach it as {layout.origin}"
    if is_page and not layout.trusts(origin):
        # GitLab, pypiserver and pypicloud send misses to pypi.org, where a stranger may own a private name
        if not gives_up_tls:
            advice = "; to take packages from there, add it as addressExtensions files"
        sentence = f"the registry redirects to {origin}, which the Connector does not declare{advice}"
        raise Refusal(404, Code.REDIRECT_NOT_FOLLOWED, sentence)
    if gives_up_tls or (origin.scheme == "http" and not layout.trusts(origin)):
        raise UpstreamBroken(f"the registry redirects to {origin}{advice}")


def refusal_of_end(url: str, status: int, registry: GrantedRegistry) -> Refusal | None:
    """The refusal that names a redirect within the registry whose end wants the credential in vain."""
    if status not in _HIDDEN or not url.startswith(registry.prefix):
        return None
    folder = registry.layout.own + urlsplit(url).path.rpartition("/")[0]
    folder = redact(folder.encode("ascii", "replace"), registry.grant.credential).decode("ascii")
    return Refusal(
        404 if status == 404 else 403,
        Code.REDIRECT_NOT_FOLLOWED,
        f"the registry redirects to {folder}/, outside the Connector's address, and answers {status} without "
        "the credential; to send it there, declare that URL as addressExtensions files",
    )

"""Redirects of a registry: their targets, and the refusals of those that are not followed. Pure."""

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from sidecar.contract.grant import Credential
from sidecar.contract.origins import Origin, declared_as, origin_of
from sidecar.contract.words import Code
from sidecar.errors import Refusal, UpstreamBroken
from sidecar.exchange.granted import GrantedRegistry
from sidecar.exchange.redaction import redact
from sidecar.http.origins import login_of
from sidecar.links.page_links import LINK_LIMIT
from sidecar.rules.layout import Layout
from sidecar.rules.scope import page_without_file

if TYPE_CHECKING:
    from sidecar.exchange.upstream import Response


def resolved(url: str, location: bytes) -> SplitResult:
    """The URL that a Location names, seen from `url`. Raises ValueError if it is none.

    Some registries send a Location with spaces, and a space would end the target of our request.
    """
    if len(location) > LINK_LIMIT:
        raise ValueError("too long")
    return urlsplit(urljoin(url, quote(location, safe="!#$%&'()*+,/:;=?@[]")))


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
        parts = resolved(url, location)
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


def refusal_of_end(
    response: "Response", registry: GrantedRegistry, requested_url: str, *, is_page: bool
) -> Refusal | None:
    """Names a redirect out of the address, where the registry wants the credential in vain."""
    status = response.head.status
    is_own = response.url.startswith(registry.prefix)
    is_decided = response.is_authorized or registry.authorization is None or response.login is not None
    if status not in (401, 403) or not is_own or is_decided:
        return None
    folder = _folder(response.url, requested_url, registry.layout, is_page=is_page)
    place = redact(f"{registry.layout.own}{folder}/".encode("ascii", "replace"), registry.grant.credential)
    return Refusal(
        403,
        Code.REDIRECT_NOT_FOLLOWED,
        f"the registry redirects to {place.decode('ascii')}, outside the Connector's address, and answers "
        f"{status} without the credential; to send it there, declare that URL as addressExtensions files",
    )


def _folder(url: str, requested_url: str, layout: Layout, *, is_page: bool) -> str:
    """The folder of a file, or of all projects' pages, without a slash at its end."""
    path = urlsplit(url).path
    if not is_page:
        return path.rpartition("/")[0]
    page = page_without_file(path)
    is_root = page_without_file(urlsplit(requested_url).path) == layout.index_path.rstrip("/")
    return page if is_root else page.rpartition("/")[0]

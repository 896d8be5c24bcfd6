"""A registry's redirect of a page, as the sidecar takes it. Pure.

The sidecar decides in `exchange/redirects.py` and `rules/scope.py`, which the webhook does not import. Tests
feed one table of redirects to both sides. The rules, the first that fits:

| the redirect leads to                                                       | is        |
|-----------------------------------------------------------------------------|-----------|
| itself, an undeclared origin, or an address without TLS                     | elsewhere |
| a page of that name on a declared origin of files                           | served    |
| a path below declared `files` of the registry's own origin                  | served    |
| a page of another name                                                      | elsewhere |
| that page's place in the index                                              | served    |
| another place of the registry's own origin, and the Connector is anonymous  | served    |
| another place of the registry's own origin                                  | asks      |

The sidecar sends no credential to that last place. So only a question without the credential tells whether
Pods get the page there.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from sidecar.contract.origins import declared_as, origin_of
from webhook.connector.packages import normalise
from webhook.connector.registry import RegistryAccess

PLACE_LIMIT = 200
"""Characters of a path in a sentence; arbitrary"""

_PAGE_FILE = re.compile(r"index\.([a-z0-9_]+[._+])?(html?|json)")
"""As in `sidecar.rules.scope`"""
_SIGN_IN_PATH = re.compile(
    r"(?<![a-z])(users/)?(sign[_-]?in|log[_-]?in|sso|oauth2?|openid|saml2?|authorize|auth)(?![a-z])",
    re.IGNORECASE,
)


class Redirect(NamedTuple):
    kind: Literal["served", "asks", "elsewhere"]
    url: str = ""
    """Where to ask without the credential, at the registry's own origin"""


ELSEWHERE, SERVED = Redirect("elsewhere"), Redirect("served")


def judge_redirect(location: bytes, page: str, registry: RegistryAccess) -> Redirect:
    """`page`: the URL that was asked for, at the registry's own origin."""
    connector = registry.connector
    here = urlsplit(page)
    try:
        there = urlsplit(urljoin(page, quote(location, safe="!#$%&'()*+,/:;=?@[]")))
        own = origin_of(here)
        declared = [own, *map(origin_of, connector.file_origins)]
        origin = declared_as(origin_of(there), declared)
    except ValueError:
        return ELSEWHERE
    if origin not in declared or (origin.scheme, own.scheme) == ("http", "https"):
        return ELSEWHERE
    is_page = _name(there.path) == _name(here.path)
    if origin != own:
        return SERVED if is_page else ELSEWHERE
    url = there._replace(scheme=here.scheme, netloc=here.netloc, fragment="")
    is_circle = (url.path, url.query) == (here.path, here.query)
    if is_circle or not _is_plain(url.path):
        return ELSEWHERE
    if _is_declared(url, connector.file_prefixes, is_page=is_page):
        return SERVED
    if not is_page:
        return ELSEWHERE
    index = urlsplit(connector.index_url).path.rstrip("/")
    if index in (_page(url.path), _folder(url.path)) or not registry.credential:
        return SERVED
    return Redirect("asks", url.geturl())


def leads_to_sign_in(location: str) -> bool:
    """Whether a redirect leads to where people sign in, by its words."""
    try:
        url = urlsplit(location)
    except ValueError:
        return False
    return _SIGN_IN_PATH.search(f"{url.netloc}{url.path}") is not None


def unserved(url: str, status: int, page: str, registry: RegistryAccess) -> str:
    """The sentence about a place that refuses requests without the credential, or hides from them.

    It names the folder of all pages, and leaves out a path that holds the credential, or is too long. `page`:
    the page that was redirected there.
    """
    path = urlsplit(url).path
    place = (_page(path) if page == registry.connector.index_url else _folder(path)) + "/"
    credential = registry.credential
    secrets = (credential.username, credential.password.reveal()) if credential else ()
    is_shown = len(place) <= PLACE_LIMIT and not any(s and s in unquote(place) for s in secrets)
    shown = place if is_shown else "another place"
    return (
        f"a redirect to {shown}, outside the index, where the proxy sends no credential, and the registry "
        f"answers {status} without it; to send it there, declare that URL as addressExtensions files"
    )


def _is_declared(url: SplitResult, prefixes: tuple[str, ...], *, is_page: bool) -> bool:
    """Whether the place is below `files`. With the whole origin declared, only the name tells pages apart."""
    paths = [urlsplit(prefix).path for prefix in prefixes]
    is_below = any(url.path.startswith(f"{path}/") for path in paths if path or is_page)
    return is_below and (is_page or not leads_to_sign_in(url.path))


def _is_plain(path: str) -> bool:
    """Whether a path climbs nowhere, however it is spelled."""
    segments = unquote(unquote(path)).replace("\\", "/").split("/")
    return path.startswith("/") and {"", ".", ".."}.isdisjoint(segments[1:-1]) and segments[-1] != ".."


def _page(path: str) -> str:
    """The path of a page without its file: `/simple/x` of `/simple/x/` and `/simple/x/index.html`."""
    folder, _, file = path.rpartition("/")
    return folder if not file or _PAGE_FILE.fullmatch(file) else path


def _folder(path: str) -> str:
    """The folder that holds a page."""
    return _page(path).rpartition("/")[0]


def _name(path: str) -> str:
    """The normalised name of a page, by its last segment."""
    return normalise(unquote(_page(path).rpartition("/")[2]))

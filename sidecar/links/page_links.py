"""Rewrites a link of an index page, so that it leads through the proxy. Pure.

The local origin has the same paths as the registry, so most relative links stay. Absolute links change. So do
relative links if the page was redirected, or if its base is of another origin.

Example, for a registry at https://r and a Connector that declares https://files:

    https://r/packages/a.zip     becomes  /packages/a.zip
    http://r/packages/a.zip      becomes  /packages/a.zip
    https://files/a.zip          becomes  /_o/files/a.zip
    ../../packages/a.zip         stays
    https://elsewhere/a.zip      stays
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, unquote_to_bytes, urljoin, urlsplit

from sidecar.contract.grant import Credential
from sidecar.contract.origins import Origin, declared_as, origin_of
from sidecar.http.headers import basic_authorization, secret_of
from sidecar.http.origins import login_of, target_of
from sidecar.rules.layout import Layout
from sidecar.rules.routes import FOREIGN

if TYPE_CHECKING:
    from sidecar.links.listing import Listing
else:
    Listing = object  # a type in quotes would be compiled, which takes 0.2 MiB for the compiler's own types

CARRY_LIMIT = 256 * 1024
"""Bytes to hold back in search of a place to cut; a page without such a place is no index page. Each page
under way may hold so much, and uv asks for 50 pages at once"""
LINK_LIMIT = 8 * 1024
"""Bytes; a longer link stays as it is, for the sidecar takes no address of this length. `urlsplit` caches the
last 128 texts that it has seen: with the longest that a page may hold these were 200 MiB"""
_USER = r"(\s*(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?[/\\]{2})([^/\\?#]*)@"
"""What stands before the host of a link; uv takes a backslash for a slash there (WHATWG URL). It is compiled
with the first link that may have a user: most pages have none"""
_DROPPED = str.maketrans("", "", "\t\r\n")  # anywhere in a link (WHATWG URL §4.4), as urlsplit does


@lru_cache(256)  # arbitrary: most Pods have one Connector, and a gateway hundreds
def _prefixes(here: str, own: Origin, *others: Origin) -> Mapping[bytes, bytes]:
    local = {origin: f"{here}{FOREIGN}{origin.netloc}/" for origin in others}
    spelled = [(str(own), f"{here}/"), (f"http://{own.netloc}", f"{here}/")]
    spelled += [("", f"{here}/")] if here else []
    spelled += [(str(origin), new) for origin, new in local.items()]
    spelled += [(f"http://{origin.netloc}", new) for origin, new in local.items()]
    found: dict[bytes, bytes] = {}
    for prefix, new in spelled:  # the first counts, as in `declared_as`
        found.setdefault(f"{prefix}/".encode(), new.encode())
    return found


@lru_cache(256)
def _path_of(local: str) -> str:
    return "".join(f"/{segment}" for segment in local.split("/")[3:])


OnLogin = Callable[[str, Credential], None]


class PageLinks(NamedTuple):
    """Rewrites the links of one page."""

    layout: Layout
    requested_url: str
    """The upstream URL that the client believes it is reading"""
    final_url: str
    """The URL that answered, after redirects"""
    local: str
    """`http://127.0.0.1:PORT`, for the links that must be absolute (PEP 740, a page's base). In a gateway a
    prefix of all our paths may follow: `http://host/namespaces/team/connectors/pypi`"""
    credential: Credential | None = None
    """The registry's, which no link may show"""
    on_login: OnLogin | None = None
    """Called with the URL and the login of each link to a file here that has one: no such link shows it"""
    listing: Listing | None = None
    """Takes note of the files that the page lists; None: there is nothing to note"""

    @property
    def has_moved(self) -> bool:
        return self.final_url != self.requested_url

    @property
    def prefix(self) -> str:
        """Of all our paths; mostly empty. It is in front of those that a registry counts from its root."""
        return _path_of(self.local)

    @property
    def depth(self) -> int | None:
        """Folders that a relative link may climb without leaving the scope; None: the page lies outside."""
        path = urlsplit(self.requested_url).path
        return max(
            (path[len(scope) :].count("/") for scope in self.layout.scopes if path.startswith(scope)),
            default=None,
        )

    @property
    def folders(self) -> int:
        """Folders that a relative link may climb without a step above the registry's root."""
        return urlsplit(self.requested_url).path.count("/") - 1

    def rewrite(self, link: str, base_url: str | None = None, *, must_be_absolute: bool = False) -> str:
        """The link for the client. It is unchanged if it leads here already, or to an undeclared origin."""
        written = link
        try:
            if "@" in link:
                link = self.without_credential(link)
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc:
                if not must_be_absolute and not base_url and not self.has_moved and not self._leaves(link):
                    return link
                if not link or link.startswith("#"):
                    return link
            whole = link if parts.netloc else urljoin(base_url or self.final_url, link)
            absolute = urlsplit(urljoin(self.final_url, whole))
            prefix = self._local_prefix(origin_of(absolute))
            if prefix is not None and ("@" in written or (base_url and "@" in base_url)):
                self._note_login(urljoin(base_url or self.final_url, written))
        except ValueError:  # no URL, or none that can be sent: a user in it must not be shown
            return re.sub(_USER, r"\1", link, count=1) if "@" in link else link
        if prefix is None:
            return link if parts.scheme else absolute.geturl()
        path = prefix + _from_the_path_on(whole, absolute)
        # two slashes at the start would be another host; as an absolute link it is refused here, by name
        return self.local + path if must_be_absolute or path[1:2] in ("/", "\\") else self.prefix + path

    def _leaves(self, link: str) -> bool:
        """Whether a relative link of the page leads the client out of our prefix."""
        if not self.prefix or not link or link.startswith("#"):
            return False
        page = self.local + target_of(self.requested_url)
        return link.startswith("/") or not urljoin(page, link).startswith(f"{self.local}/")

    def without_credential(self, link: str) -> str:
        """The link without its user, if that user is the registry's credential."""
        user = re.match(_USER, link.translate(_DROPPED))
        if self.credential is None or user is None:
            return link
        secret = secret_of(self.credential)
        spelled = unquote_to_bytes(user[2].encode("utf-8", "surrogateescape"))
        is_ours = bool(secret) and secret.encode() in spelled
        return user[1] + user.string[user.end() :] if is_ours else link

    def _note_login(self, url: str) -> None:
        """Raises ValueError for a login that cannot be sent."""
        parts = urlsplit(url)
        origin = declared_as(origin_of(parts), self.origins)
        is_ours = origin == self.layout.origin and self.credential is not None
        login = None if is_ours else login_of(parts)
        if self.on_login is not None and login is not None and basic_authorization(login):
            self.on_login(f"{origin}{parts.path}", login)

    def rewrite_base(self, link: str) -> str:
        """The base of a page, for the client. It is absolute: pip and uv do not resolve a relative base."""
        new = self.rewrite(link)
        return self.local + new.removeprefix(self.prefix) if new != link and new.startswith("/") else new

    def base_for(self, base: str) -> tuple[str | None, bool]:
        """The base for relative links that are resolved here, and whether its origin is undeclared.

        The base is None if the client resolves them.
        """
        try:
            url = urljoin(self.final_url, self.without_credential(base) if "@" in base else base)
            prefix = self._local_prefix(origin_of(url))
        except ValueError:  # a base that is no URL counts for nothing
            return None, False
        return url if self.has_moved or prefix != "" or self.prefix else None, prefix is None

    def _local_prefix(self, origin: Origin) -> str | None:
        if origin == self.layout.origin:  # nearly always
            return ""
        known = declared_as(origin, self.origins)
        if known == self.layout.origin:
            return ""
        if self.layout.foreign.get(known.netloc) == known:
            return FOREIGN + known.netloc
        return None

    @property
    def origins(self) -> list[Origin]:
        """The origins whose links lead through the proxy; the registry's own is the first."""
        return [self.layout.origin, *self.layout.foreign.values()]

    def prefixes(self, *, is_scoped: bool = False) -> Mapping[bytes, bytes]:
        """The prefixes of nearly all absolute links → their replacements. `is_scoped`: of links in scope."""
        own = self.layout.origin
        if is_scoped:
            here = self.prefix
            starts = [f"{scheme}://{own.netloc}" for scheme in dict.fromkeys((own.scheme, "http"))]
            return {
                f"{start}{scope}".encode(): f"{here}{scope}".encode()
                for scope in self.layout.scopes
                for start in (starts if not here else [*starts, ""])
            }
        return _prefixes(self.prefix, own, *self.layout.foreign.values())


def _from_the_path_on(link: str, absolute: SplitResult) -> str:
    """Path and query as the page spells them: urlunsplit would drop an empty query."""
    rest = link.translate(_DROPPED).partition("//")[2].removeprefix(absolute.netloc)
    return rest if rest.startswith("/") else "/" + rest

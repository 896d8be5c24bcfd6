"""The registry that a grant gives: where it is, and which URLs its credential may go to. Pure."""

from sidecar.contract.grant import Grant
from sidecar.contract.origins import Origin, origin_of
from sidecar.http.headers import basic_authorization
from sidecar.http.origins import target_of
from sidecar.rules.layout import Layout
from sidecar.rules.listed import ListedFiles


class Destination:
    """An origin that requests go to, and how its server is verified."""

    __slots__ = ("host", "is_declared", "is_own", "key", "origin")

    def __init__(self, origin: Origin, ca: str | None, layout: Layout) -> None:
        self.origin = origin
        self.host = origin.netloc
        self.is_own = origin == layout.origin
        """The registry's own"""
        self.is_declared = layout.trusts(origin)
        self.key = (origin, ca, self.is_own, self.is_declared)
        """Of the pool: its server was verified by the last three"""


class GrantedRegistry:
    """A registry as a grant describes it. Each grant has its own; all share what pages have listed."""

    __slots__ = ("_own", "authorization", "grant", "layout", "prefix")

    def __init__(self, grant: Grant, listed: ListedFiles | None = None) -> None:
        self.grant = grant
        self.layout = Layout.of(grant, listed)
        self.authorization = basic_authorization(grant.credential)
        """For the registry's own origin"""
        self.prefix = f"{self.layout.origin}/"
        """The registry's origin and a slash"""
        self._own = Destination(self.layout.origin, grant.ca, self.layout)

    def locate(self, url: str) -> tuple[Destination, str]:
        """Destination and request target of a URL."""
        if url.startswith(self.prefix):  # nearly always, and ten times as fast as parsing
            return self._own, url[len(self.prefix) - 1 :]
        return Destination(origin_of(url), self.grant.ca, self.layout), target_of(url)

    def is_authorized(self, url: str, *, is_page: bool) -> bool:
        """Whether a request that follows a redirect to this URL carries the credential."""
        from sidecar.rules.scope import (
            opens_redirect,
        )  # with the first redirect, for most registries have none

        if origin_of(url) != self.layout.origin:
            return False
        return opens_redirect(target_of(url), self.layout, is_page=is_page)

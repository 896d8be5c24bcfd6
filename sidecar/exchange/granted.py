"""The registry that a grant gives: where it is, and which URLs its credential may go to. Pure."""

from sidecar.contract.grant import Grant
from sidecar.contract.origins import Origin, origin_of
from sidecar.http.headers import basic_authorization
from sidecar.http.origins import target_of
from sidecar.rules.layout import Layout
from sidecar.rules.listed import ListedFiles


class GrantedRegistry:
    """A registry as a grant describes it. Each grant has its own; all share what pages have listed."""

    __slots__ = ("authorization", "grant", "layout", "prefix")

    def __init__(self, grant: Grant, listed: ListedFiles | None = None) -> None:
        self.grant = grant
        self.layout = Layout.of(grant, listed)
        self.authorization = basic_authorization(grant.credential)
        """For the registry's own origin"""
        self.prefix = f"{self.layout.origin}/"
        """The registry's origin and a slash"""

    def locate(self, url: str) -> tuple[Origin, str]:
        """Origin and request target of a URL."""
        if url.startswith(self.prefix):  # nearly always, and ten times as fast as parsing
            return self.layout.origin, url[len(self.prefix) - 1 :]
        return origin_of(url), target_of(url)

    def is_authorized(self, url: str, *, is_page: bool) -> bool:
        """Whether a request that follows a redirect to this URL carries the credential."""
        from sidecar.rules.scope import (
            opens_redirect,
        )  # with the first redirect, for most registries have none

        if origin_of(url) != self.layout.origin:
            return False
        return opens_redirect(target_of(url), self.layout, is_page=is_page)

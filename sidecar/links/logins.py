"""Users and passwords that pages name in links: each for the address of its file alone.

A link `https://user:token@files.example/a.whl` reaches the client as `/_o/files.example/a.whl`. The client
asks for that, and the file's origin gets the login again. It is lost when the process ends, and a page brings
it back.
"""

from urllib.parse import unquote, urlsplit

from sidecar.contract.grant import Credential
from sidecar.contract.origins import origin_of
from sidecar.rules.filenames import without_companion

_LIMIT = 1000
"""Files; arbitrary. The oldest is forgotten, and most clients ask for a file just after its page"""
_LENGTH_LIMIT = 1024
"""Characters of user and password: together with `_LIMIT`, at most 1 MiB. Tokens rarely have 300"""


class LinkLogins:
    """Of the pages of one connector."""

    def __init__(self) -> None:
        self._logins: dict[int, Credential] = {}
        self._last: Credential | None = None

    def remember(self, url: str, login: Credential) -> None:
        """`url`: of a file, without its login."""
        if len(login.username) + len(login.password.reveal()) > _LENGTH_LIMIT:
            return
        if login == self._last:  # mostly all links of a page have the same
            login = self._last
        self._last = login
        key = _key(url)
        self._logins.pop(key, None)
        self._logins[key] = login
        if len(self._logins) > _LIMIT:
            del self._logins[next(iter(self._logins))]

    def of(self, url: str) -> Credential | None:
        """The login for a file or a companion of it, such as its metadata (PEP 658)."""
        return self._logins.get(_key(url)) if self._logins else None


def _key(url: str) -> int:
    """Without query and fragment, and however the client spells the path."""
    parts = urlsplit(url)
    path = unquote(parts.path).removesuffix("/provenance")  # PEP 740, as pypi.org spells it
    return hash((origin_of(parts), without_companion(path)))

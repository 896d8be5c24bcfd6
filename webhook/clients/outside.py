"""Client configuration for clients outside injected Pods, with a token for the gateway in it. Pure.

pip.conf and .pypirc are the reference system's, line by line. The texts hold a token, so they are secrets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.contract.secret import Secret
from webhook import names
from webhook.clients.endpoints import Endpoints

TIMEOUT_SECONDS = 30
"""As in the reference system; pip's own is 15"""


@dataclass(frozen=True, slots=True)
class Outside:
    """A connector as a client of the gateway sees it."""

    address: str
    """Absolute URL with a trailing slash, below which the gateway serves this connector"""
    username: str
    """Any name: the gateway reads the password only. It tells people which connector this is"""
    token: Secret


def outside_files(outside: Outside) -> Mapping[str, Secret]:
    """File name → text."""
    texts = built_in_texts(outside).values()
    return {name: Secret(text) for files in texts for name, text in files.items()}


def built_in_texts(outside: Outside) -> Mapping[str, Mapping[str, str]]:
    """Configuration → file name → text."""
    return {
        names.PIPCONF_CONFIGURATION: {names.PIP_CONF: _pip_conf(outside)},
        names.PYPIRC_CONFIGURATION: {names.PYPIRC: _pypirc(outside)},
        names.UV_CONFIGURATION: {
            names.UV_TOML: f'[[index]]\nurl = "{_index_url(outside)}"\ndefault = true\n'
        },
    }


def outside_endpoints(outside: Outside, *, admits_extra_indexes: bool) -> Endpoints:
    """The URLs for templates. That of the index holds the token."""
    index_url = _index_url(outside)
    return Endpoints(index_url, outside.address, index_url, admits_extra_indexes=admits_extra_indexes)


def _pip_conf(outside: Outside) -> str:
    text = f"[global]\nindex-url = {_index_url(outside)}\ntimeout = {TIMEOUT_SECONDS}\n"
    parts = urlsplit(outside.address)
    # for https it would switch the verification of the certificate off
    return text + (f"\n[install]\ntrusted-host = {parts.netloc}\n" if parts.scheme == "http" else "")


def _pypirc(outside: Outside) -> str:
    return (
        f"[distutils]\nindex-servers = {names.ALIAS}\n\n"
        f"[{names.ALIAS}]\nrepository = {outside.address}\n"
        f"username = {outside.username}\npassword = {outside.token.reveal()}\n"
    )


def _index_url(outside: Outside) -> str:
    scheme, _, rest = outside.address.partition("://")
    return f"{scheme}://{outside.username}:{outside.token.reveal()}@{rest}simple/"

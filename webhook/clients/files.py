"""Client configuration files: pip.conf, .pypirc and uv.toml as texts, none of which holds a secret. Pure.

The shapes of pip.conf and .pypirc are the reference system's. They are rendered here and handed to the
sidecar in its environment, so that an older sidecar writes what a newer webhook means.
"""

from webhook import names
from webhook.clients.endpoints import Endpoints

USERNAME = "pypi-connector"
PASSWORD = "unused"  # noqa: S105 (the point is that it is none)
"""Clients without a user name and password would ask for them; the proxy drops whatever they send."""


def files(endpoints: Endpoints) -> dict[str, str]:
    """File name → text. `pipconf` brings pip.conf and uv.toml, `pypirc` brings .pypirc."""
    found = {}
    if endpoints.index_url:
        found[names.PIP_CONF] = pip_conf(endpoints.index_url)
        found[names.UV_TOML] = uv_toml(endpoints.index_url, endpoints.upload_url, endpoints.upload_check_url)
    if endpoints.upload_url:
        found[names.PYPIRC] = pypirc(endpoints.upload_url, endpoints.sections)
    return found


def pip_conf(index_url: str) -> str:
    """`trusted-host` is not about trust: pip caches plain http from such a host only."""
    return f"[global]\nindex-url = {index_url}\ntimeout = 30\n\n[install]\ntrusted-host = 127.0.0.1\n"


def pypirc(upload_url: str, sections: tuple[tuple[str, str], ...] = ()) -> str:
    """`pypi` is what twine takes without `-r`: defined here, it never means the public pypi.org."""
    servers = {names.ALIAS: upload_url, "pypi": upload_url, **dict(sections)}
    lines = ["[distutils]", "index-servers =", *(f"    {server}" for server in servers)]
    for server, url in servers.items():
        lines += [
            "",
            f"[{server}]",
            f"repository = {url}",
            f"username = {USERNAME}",
            f"password = {PASSWORD}",
        ]
    return "\n".join(lines) + "\n"


def uv_toml(index_url: str, upload_url: str | None, check_url: str | None) -> str:
    publish = f'publish-url = "{upload_url}"\ncheck-url = "{check_url}"\n\n' if upload_url else ""
    return f'{publish}[[index]]\nurl = "{index_url}"\ndefault = true\n'

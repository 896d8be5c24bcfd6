"""Client configuration files: the texts of pip.conf, .pypirc and uv.toml. They hold no secret. Pure.

pip.conf and .pypirc have the reference system's form. The webhook renders them and puts them into the
sidecar's environment: so an older sidecar writes the files of a newer webhook.
"""

from collections.abc import Sequence

from webhook import names
from webhook.clients.endpoints import Endpoints, Target
from webhook.clients.sources import PIP_OPTIONS

USERNAME = "pypi-connector"
PASSWORD = "unused"  # noqa: S105 (no secret)
"""A client without user name and password would ask for them. The proxy drops both."""

_COMMANDS = ("download", "index", "list", "lock", "wheel")
"""Commands of pip that ask an index, besides `install`. Each reads a section of its own"""


def files(endpoints: Endpoints) -> dict[str, str]:
    """File name → text, of all configurations."""
    return {name: text for texts in configurations(endpoints).values() for name, text in texts.items()}


def configurations(endpoints: Endpoints) -> dict[str, dict[str, str]]:
    """Name of a configuration → file name → text. An index brings pip.conf and uv.toml; a publish target
    brings .pypirc."""
    result = {}
    if endpoints.index_url:
        index_url = endpoints.index_url
        result[names.PIPCONF_CONFIGURATION] = {
            names.PIP_CONF: pip_conf(index_url, endpoints.admits_extra_indexes)
        }
        uv = uv_toml(index_url, endpoints)
        result[names.UV_CONFIGURATION] = {names.UV_TOML: uv}
    if endpoints.upload_url:
        result[names.PYPIRC_CONFIGURATION] = {names.PYPIRC: pypirc(endpoints.upload_url, endpoints.targets)}
    return result


def pip_conf(index_url: str, admits_extra_indexes: bool = False) -> str:
    """`trusted-host` is here for pip's cache: pip caches responses over plain http from such hosts only.

    Of several files, pip reads the one that `PIP_CONFIG_FILE` names last. In it an empty option removes what
    the other files, of the image or a venv, say in the same section. `pypi-url` is `index-url` by another
    name. `proxy` would lead the requests for the loopback interface astray, whatever `NO_PROXY` says.
    """
    options = ("proxy", "pypi-url", *(() if admits_extra_indexes else PIP_OPTIONS))
    emptied = "".join(f"{option} =\n" for option in options)
    sections = {
        "global": f"index-url = {index_url}\ntimeout = 30\n# empty options: other files do not count\n",
        "install": "trusted-host = 127.0.0.1\n",
        **dict.fromkeys(_COMMANDS, ""),
    }
    return "\n".join(f"[{section}]\n{lines}{emptied}" for section, lines in sections.items())


def pypirc(upload_url: str, targets: Sequence[Target] = ()) -> str:
    """Without `-r`, twine takes the section `pypi`: defined here, it never means the public pypi.org."""
    named = {target.name: target.upload_url for target in targets}
    servers = {names.ALIAS: upload_url, "pypi": upload_url, **named}
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


def uv_toml(index_url: str, endpoints: Endpoints) -> str:
    """Several targets are indexes for `uv publish --index`. uv asks an explicit index for no package."""
    text = f'[[index]]\nurl = "{index_url}"\ndefault = true\n'
    upload_url, check_url = endpoints.upload_url, endpoints.upload_check_url
    if upload_url and check_url:
        text = f'publish-url = "{upload_url}"\ncheck-url = "{check_url}"\n\n{text}'
        default = Target(names.ALIAS, upload_url, check_url)
        text += "".join(map(_explicit_index, (default, *endpoints.targets) if endpoints.has_choice else ()))
    return text


def _explicit_index(target: Target) -> str:
    return (
        f'\n[[index]]\nname = "{target.name}"\nurl = "{target.check_url}"\n'
        f'publish-url = "{target.upload_url}"\nexplicit = true\n'
    )

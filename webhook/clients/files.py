"""Client configuration files: the texts of pip.conf, .pypirc and uv.toml. They hold no secret. Pure.

pip.conf and .pypirc have the reference system's form. The webhook renders them and puts them into the
sidecar's environment: so an older sidecar writes the files of a newer webhook.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.contract.words import CONFIG_DIR
from webhook import names
from webhook.clients.class_templates import BUILT_IN, NOBODY, Subject, Templates
from webhook.clients.endpoints import Endpoints, Target
from webhook.clients.finishing import finish
from webhook.clients.sources import PIP_OPTIONS
from webhook.errors import InvalidValue, Problem

USERNAME = "pypi-connector"
PASSWORD = "unused"  # noqa: S105 (no secret)
"""A client without user name and password would ask for them. The proxy drops both."""

_BUILT_IN = (names.PIPCONF_CONFIGURATION, names.PYPIRC_CONFIGURATION, names.UV_CONFIGURATION)

_COMMANDS = ("download", "index", "list", "lock", "wheel")
"""Commands of pip that ask an index, besides `install`. Each reads a section of its own"""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Files of a Pod's clients, or of a person's."""

    configurations: dict[str, dict[str, str]]
    """Name of a configuration → file name → text"""
    faults: dict[str, list[str]]
    """Name of a configuration → a sentence for each template that could not be used"""

    def chosen(self, own: Collection[str] = ()) -> "Rendered":
        """Without own configurations that are not among these. Those of the endpoints stay."""
        kept = {*_BUILT_IN, *own}
        return Rendered(
            {name: files for name, files in self.configurations.items() if name in kept},
            {name: faults for name, faults in self.faults.items() if name in kept},
        )


def files(endpoints: Endpoints) -> dict[str, str]:
    """File name → text, of the built-in configurations."""
    return {name: text for texts in configurations(endpoints).values() for name, text in texts.items()}


def configurations(
    endpoints: Endpoints,
    templates: Templates = BUILT_IN,
    subject: Subject = NOBODY,
    *,
    username: str = USERNAME,
    password: str = PASSWORD,
    directory: str = CONFIG_DIR,
) -> dict[str, dict[str, str]]:
    """Name of a configuration → file name → text. An index brings pip.conf and uv.toml; a publish target
    brings .pypirc; the templates bring their own, and replace the texts of these."""
    rendered = render(
        endpoints, templates, subject, username=username, password=password, directory=directory
    )
    return rendered.configurations


def render(
    endpoints: Endpoints,
    templates: Templates,
    subject: Subject,
    *,
    username: str = USERNAME,
    password: str = PASSWORD,
    directory: str = CONFIG_DIR,
    built_in: Mapping[str, Mapping[str, str]] | None = None,
) -> Rendered:
    """The same, with the faults of templates. A template with a fault leaves the built-in text; an own file
    without one is missing. `built_in`: other built-in texts, by configuration and file."""
    given = _built_in(endpoints, username, password) if built_in is None else built_in
    result = {name: dict(texts) for name, texts in given.items()}
    faults: dict[str, list[str]] = {}
    admits_others = templates.admits_extra_indexes and endpoints.admits_extra_indexes
    context = {**subject.context(endpoints, username, password), "directory": directory}
    for template in templates.files:
        name, file = template.configuration, template.file
        if name in _BUILT_IN and name not in result:
            continue  # no index, or no publish target
        texts = result.setdefault(name, {})
        try:
            text = template.render(context)
            texts[file] = finish(file, text, texts.get(file, ""), endpoints, admits_others=admits_others)
        except InvalidValue as error:
            faults.setdefault(name, []).append(f"{file}: {Problem('', error.what, error.fix).message}")
    return Rendered(result, faults)


def _built_in(endpoints: Endpoints, username: str, password: str) -> dict[str, dict[str, str]]:
    result = {}
    if endpoints.index_url:
        index_url = endpoints.index_url
        result[names.PIPCONF_CONFIGURATION] = {
            names.PIP_CONF: pip_conf(index_url, endpoints.admits_extra_indexes)
        }
        uv = uv_toml(index_url, endpoints)
        result[names.UV_CONFIGURATION] = {names.UV_TOML: uv}
    if endpoints.upload_url:
        text = pypirc(endpoints.upload_url, endpoints.targets, username, password)
        result[names.PYPIRC_CONFIGURATION] = {names.PYPIRC: text}
    return result


def pip_conf(index_url: str, admits_extra_indexes: bool = False) -> str:
    """`trusted-host` is here for pip's cache: pip caches responses over plain http from such hosts only.

    Of several files, pip reads the one that `PIP_CONFIG_FILE` names last. In it an empty option removes what
    the other files, of the image or a venv, say in the same section. `pypi-url` is `index-url` by another
    name. `proxy` would lead the requests for the loopback interface astray, whatever `NO_PROXY` says.
    """
    url = urlsplit(index_url)
    trusted = f"trusted-host = {url.hostname}\n" if url.scheme == "http" else ""  # else TLS would not count
    options = ("proxy", "pypi-url", *(() if admits_extra_indexes else PIP_OPTIONS))
    emptied = "".join(f"{option} =\n" for option in options)
    sections = {
        "global": f"index-url = {index_url}\ntimeout = 30\n# empty options: other files do not count\n",
        "install": trusted,
        **dict.fromkeys(_COMMANDS, ""),
    }
    return "\n".join(f"[{section}]\n{lines}{emptied}" for section, lines in sections.items())


def pypirc(
    upload_url: str,
    targets: Sequence[Target] = (),
    username: str = USERNAME,
    password: str = PASSWORD,
) -> str:
    """Without `-r`, twine takes the section `pypi`: defined here, it never means the public pypi.org."""
    named = {target.name: target.upload_url for target in targets}
    servers = {names.ALIAS: upload_url, "pypi": upload_url, **named}
    lines = ["[distutils]", "index-servers =", *(f"    {server}" for server in servers)]
    for server, url in servers.items():
        lines += [
            "",
            f"[{server}]",
            f"repository = {url}",
            f"username = {username}",
            f"password = {password}",
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

"""The compiled templates of a ConnectorClass, and the values that they see, which are no Secrets. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook import names
from webhook.clients.endpoints import Endpoints
from webhook.clients.templates import CompiledTemplate, compile_template
from webhook.errors import InvalidValue

_BLANKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ufeff]+")


@dataclass(frozen=True, slots=True)
class FileTemplate:
    """A file of a configuration."""

    configuration: str
    file: str
    template: CompiledTemplate | InvalidValue
    """An error: the template is wrong, whatever it is rendered with"""

    def render(self, context: Mapping[str, Any]) -> str:
        if isinstance(self.template, InvalidValue):
            raise self.template
        return self.template.render(context)


@dataclass(frozen=True, slots=True)
class Templates:
    """The files that a class has texts of its own for."""

    files: tuple[FileTemplate, ...] = ()
    admits_extra_indexes: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """The Connector that files are for."""

    namespace: str
    name: str
    params: tuple[tuple[str, str], ...] = ()

    def context(self, endpoints: Endpoints, username: str, password: str) -> dict[str, Any]:
        """A parameter is one line: its author must not add lines to a file."""
        params = {name: _BLANKS.sub(" ", text).strip() for name, text in self.params}
        servers = {
            names.ALIAS: endpoints.upload_url,
            **{target.name: target.upload_url for target in endpoints.targets},
        }
        return {
            "connector": {"name": self.name, "namespace": self.namespace, "params": params},
            "index_url": endpoints.index_url or endpoints.template_index_url,
            "upload_url": endpoints.upload_url,
            "check_url": endpoints.upload_check_url,
            "targets": [{"name": name, "url": url} for name, url in servers.items() if url],
            "username": username,
            "password": password,
        }


BUILT_IN = Templates()
NOBODY = Subject("", "")


def compile_templates(
    configurations: Sequence[tuple[str, Sequence[tuple[str, str]]]], *, admits_extra_indexes: bool
) -> Templates:
    """`configurations`: the name of each, with file names and templates."""
    files = tuple(
        FileTemplate(name, file, _compiled(file, text))
        for name, data in configurations
        for file, text in data
    )
    return Templates(files, admits_extra_indexes)


def _compiled(file: str, text: str) -> CompiledTemplate | InvalidValue:
    try:
        return compile_template(file, text)
    except InvalidValue as error:
        return error

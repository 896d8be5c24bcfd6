"""A registry of several repositories, and the sidecar of a Connector that names one of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.servers.registry import Registry, Script
from support.sidecars.running import Sidecar, grant, running_sidecar

INDEX = "/repository/all/simple/"
OWN = "/repository/all/packages/foo-1.0-py3-none-any.whl"
OTHER = "/repository/other-team/packages/foo-1.0-py3-none-any.whl"
PAGE = INDEX + "foo/"

Page = Callable[[str], Script]


def raw_html(body: str) -> Script:
    return lambda call: call.reply(200, body.encode(), {"Content-Type": "text/html"})


def html(link: str) -> Script:
    return raw_html(f'<a href="{link}">x</a>\n')


def json_page(link: str) -> Script:
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    body = f'{{"meta":{{"api-version":"1.0"}},"files":[{{"filename":"x","url":"{link}","hashes":{{}}}}]}}'
    return lambda call: call.reply(200, body.encode(), kind)


PAGES = pytest.mark.parametrize("page", [html, json_page], ids=["html", "json"])


@contextmanager
def scoped_sidecar(registry: Registry, tmp_path: Path) -> Iterator[Sidecar]:
    """The sidecar of a Connector whose address is one repository of several on a registry."""
    address = f"{registry.origin}/repository/all"
    document = grant(registry, index_url=registry.origin + INDEX, address=address)
    with running_sidecar(tmp_path, document) as sidecar:
        registry.on("*", lambda call: call.reply(200, b"file"))
        registry.on(PAGE, html("../../packages/foo-1.0-py3-none-any.whl"))
        yield sidecar


def targets(registry: Registry) -> list[str]:
    return [request.target for request in registry.requests]

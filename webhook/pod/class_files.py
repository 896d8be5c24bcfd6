"""The client files of a Connector: built in, or from the templates of its class. Pure.

Whoever writes client files starts here: `configuration_files(connector, endpoints)`.
"""

import json
from collections.abc import Collection, Mapping
from functools import lru_cache

from sidecar.contract.words import CONFIG_DIR
from webhook.clients.class_templates import Subject, Templates, compile_templates
from webhook.clients.endpoints import Endpoints
from webhook.clients.files import PASSWORD, USERNAME, Rendered, render
from webhook.connector.connector_class import BUILT_IN_FILES, ConnectorClass
from webhook.connector.manifest import Connector

SIZE_LIMIT = 96 * 1024
"""Bytes of all files of a Pod, as JSON. Linux takes a variable of 128 KiB at most (MAX_ARG_STRLEN)"""

CLASSES_LIMIT = 64
"""Classes whose templates stay compiled, with 100 KB each at most; arbitrary"""


@lru_cache(CLASSES_LIMIT)
def templates_of(connector_class: ConnectorClass) -> Templates:
    """Compiled once for each version of a class."""
    data = [(one.name, one.templates) for one in connector_class.configurations]
    return compile_templates(data, admits_extra_indexes=connector_class.admits_extra_indexes)


def configuration_files(
    connector: Connector,
    endpoints: Endpoints,
    *,
    own: Collection[str] = (),
    username: str = USERNAME,
    password: str = PASSWORD,
    directory: str = CONFIG_DIR,
    built_in: Mapping[str, Mapping[str, str]] | None = None,
) -> Rendered:
    """The files by configuration, and what is wrong with templates. `own` are the chosen configurations of
    the class's own; the others follow from the endpoints. `directory` is where clients find the files,
    `built_in` as in `render`. Too many bytes: built-in files only."""
    subject = Subject(connector.namespace, connector.name, connector.params)
    templates = templates_of(connector.connector_class)
    files = render(
        endpoints,
        templates,
        subject,
        username=username,
        password=password,
        directory=directory,
        built_in=built_in,
    )
    rendered = files.chosen(own)
    size = len(json.dumps(rendered.configurations))
    if size <= SIZE_LIMIT:
        return rendered
    plain = render(endpoints, Templates(), subject, username=username, password=password, built_in=built_in)
    sentence = f"the files have {size} bytes, more than a Pod can take ({SIZE_LIMIT})"
    return Rendered(plain.configurations, {name: [sentence] for name in rendered.configurations})


def class_faults(connector_class: ConnectorClass) -> list[str]:
    """What is wrong with the templates, for the class's status. They are tried for a Connector that names no
    parameter, with and without a publish target."""
    defaults = tuple((one.name, one.default) for one in connector_class.parameters if one.default is not None)
    subject = Subject("example-namespace", "example", defaults)
    url = "http://127.0.0.1:28100/"
    faults: dict[str, None] = {}
    admits = connector_class.admits_extra_indexes
    for upload_url in (url, None):
        check_url = f"{url}simple/" if upload_url else None
        endpoints = Endpoints(f"{url}simple/", upload_url, check_url, admits_extra_indexes=admits)
        rendered = render(endpoints, templates_of(connector_class), subject)
        sentences = [f"{name}: {fault}" for name, listed in rendered.faults.items() for fault in listed]
        if not sentences and (size := len(json.dumps(rendered.configurations))) > SIZE_LIMIT:
            sentences = [f"all files together have {size} bytes: a Pod can take {SIZE_LIMIT}"]
        faults |= dict.fromkeys(sentences)
    return list(faults)


def warnings(connector: Connector, rendered: Rendered) -> list[str]:
    return [
        f"configuration {name} of ConnectorClass {connector.connector_class.name}: {fault}; "
        + ("the built-in file is used" if name in BUILT_IN_FILES else "the file is left out")
        for name, faults in rendered.faults.items()
        for fault in faults
    ]

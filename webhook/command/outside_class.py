"""The files of `configure`, as the reference system documents them and as the class says. Pure."""

from collections.abc import Mapping
from typing import Any

from sidecar.contract.secret import Secret
from webhook.clients.outside import Outside, built_in_texts, outside_endpoints, outside_files
from webhook.connector.connector_class import find_class
from webhook.connector.manifest import Connector, class_name, find_connector
from webhook.errors import Problem
from webhook.pod import class_files


def files_of_class(
    outside: Outside, manifest: Mapping[str, Any], class_manifest: Mapping[str, Any] | None, directory: str
) -> tuple[Mapping[str, Secret], list[str]]:
    """File name → text, and warnings. `class_manifest`: None if the class is missing, or may not be read."""
    name = class_name(manifest)
    connector = find_connector(manifest, {name: find_class(class_manifest)} if class_manifest else {})
    if class_manifest is None:
        return outside_files(outside), []
    if not isinstance(connector, Connector):
        problems: list[Problem] = list(connector.problems) if connector else []
        cause = problems[0].message if problems else "it cannot be read"
        return outside_files(outside), [f"the Connector cannot be used as it is: {cause}"]
    rendered = class_files.configuration_files(
        connector,
        outside_endpoints(outside, admits_extra_indexes=connector.extra_indexes == "allow"),
        own=connector.connector_class.configuration_names,
        username=outside.username,
        password=outside.token.reveal(),
        directory=directory,
        built_in=built_in_texts(outside),
    )
    texts = {file: Secret(text) for files in rendered.configurations.values() for file, text in files.items()}
    # a template may have put the token into what a sentence quotes
    token = outside.token.reveal()
    return texts, [line.replace(token, "***") for line in class_files.warnings(connector, rendered)]

"""Files of manifests: Connectors, and the classes that they name."""

from pathlib import Path

import yaml

from webhook.connector.connector_class import find_class, with_default_class
from webhook.connector.manifest import MaybeConnector, find_connector
from webhook.identifiers import ConnectorKey


def read_connectors(path: Path) -> dict[ConnectorKey, MaybeConnector]:
    """A file has Connectors, and the classes that they name."""
    manifests = list(yaml.safe_load_all(path.read_text()))
    of_kind = {
        kind: [manifest for manifest in manifests if manifest["kind"] == kind]
        for kind in ("Connector", "ConnectorClass")
    }
    classes = {manifest["metadata"]["name"]: find_class(manifest) for manifest in of_kind["ConnectorClass"]}
    return {
        ConnectorKey(manifest["metadata"]["namespace"], manifest["metadata"]["name"]): find_connector(
            manifest, with_default_class(classes)
        )
        for manifest in of_kind["Connector"]
    }

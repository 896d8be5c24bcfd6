"""What people call a Connector: the annotations of the reference system that say so. Pure."""

from collections.abc import Mapping
from typing import Any

from webhook import names
from webhook.connector.fields import as_mapping

LENGTH_LIMIT = 256
"""Characters of either; arbitrary. Their authors may write 64 KiB"""


def described(manifest: Mapping[str, Any]) -> str:
    """`display name: description`, or either of them, in one line; empty if there is none."""
    annotations = as_mapping(as_mapping(manifest.get("metadata")).get("annotations"))
    texts = (annotations.get(name) for name in (names.DISPLAY_NAME, names.DESCRIPTION))
    lines = (" ".join(text.split()) for text in texts if isinstance(text, str))
    return ": ".join(_cut(line) for line in lines if line)


def _cut(line: str) -> str:
    return line if len(line) <= LENGTH_LIMIT else line[: LENGTH_LIMIT - 1] + "…"

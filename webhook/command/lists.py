"""Objects of a manifest's document: the document itself, or the items of a List.

`kubectl get -o yaml` prints a List for several objects, and kubectl reads a List of Lists.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]


def objects(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each object with its path from the document. Items may be of any type."""
    items = document.get("items") if isinstance(document, Mapping) else None
    if isinstance(items, list) and document.get("kind") == "List":
        for index, item in enumerate(items):
            yield from objects(item, (*path, "items", index))
    else:
        yield path, document

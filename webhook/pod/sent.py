"""The author's part of a Pod, as opposed to what other webhooks have added since. Pure.

The API server records the fields of a new object before it calls the first webhook, and not those that
webhooks add (`metadata.managedFields`).

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from collections.abc import Mapping
from typing import Any

from webhook.connector.fields import as_mapping


def is_added_volume(pod: Mapping[str, Any], name: object) -> bool:
    """Whether the author sent no volume of this name. False where nothing is recorded, as in a file."""
    entries = (pod.get("metadata") or {}).get("managedFields")
    specs = [spec for entry in entries if (spec := _spec(entry))] if isinstance(entries, list) else []
    key = f'k:{{"name":"{name}"}}'  # how the API server writes the key of an item
    return bool(specs) and not any(key in as_mapping(spec.get("f:volumes")) for spec in specs)


def _spec(entry: object) -> Mapping[str, Any]:
    return as_mapping(as_mapping(as_mapping(entry).get("fieldsV1")).get("f:spec"))

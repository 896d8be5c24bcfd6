"""Fields of a Connector manifest by their shape: objects, lists of pairs, references to Secrets. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from webhook.connector.reasons import ConnectorReason
from webhook.problems import Problems

_PAIR = {"name", "value"}


def as_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def read_object(value: object, field: str, problems: Problems) -> Mapping[str, Any]:
    """An object, empty where there is none. Another shape is a problem: its meaning would get lost."""
    if value is not None and not isinstance(value, Mapping):
        problems.add(ConnectorReason.INVALID_SHAPE, f"{field} must be an object")
    return as_mapping(value)


def read_pairs(value: object, field: str, problems: Problems) -> list[tuple[str, str]]:
    """The pairs of a list such as `[{"name": "access", "value": "read"}]`."""
    if value is None:
        return []
    items = [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(items) != len(value) or any(set(item) != _PAIR for item in items):
        sentence = f"{field} must be a list of objects with name and value"
        problems.add(ConnectorReason.INVALID_SHAPE, sentence)
        return []
    pairs = [(str(item["name"]), str(item["value"])) for item in items]
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            problems.add(ConnectorReason.INVALID_SHAPE, f"{field} has {name!r} twice", "keep one")
    return pairs


def read_reference(value: object, field: str, namespace: str, problems: Problems) -> str | None:
    """The name of a Secret beside the Connector; None where the manifest names none."""
    reference = read_object(value, field, problems)
    foreign = reference.get("namespace")
    if foreign and foreign != namespace:
        problems.add(
            ConnectorReason.FOREIGN_SECRET,
            f"{field} names the namespace {foreign!r}",
            f"the Secret must lie beside the Connector, in {namespace!r}",
        )
    if not isinstance(value, Mapping):
        return None
    name = reference.get("name")
    if not isinstance(name, str) or not name:
        # a template may leave it empty, and that must not quietly mean anonymous
        problems.add(ConnectorReason.INVALID_SHAPE, f"{field} must have a name")
        return None
    return name

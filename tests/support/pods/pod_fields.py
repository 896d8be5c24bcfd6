"""The table of Pod fields, `tests/tables/pod_fields.yaml`, as values, and how each is put into a Pod."""

import copy
from dataclasses import dataclass
from typing import Any

import yaml

from support.checkout import TESTS
from webhook import names

_PATH = TESTS / "tables" / "pod_fields.yaml"
_PREFIX = "io.k8s.api.core.v1."
_PLACES: dict[str, tuple[str, ...]] = {
    "Container": (),
    "ResourceRequirements": ("resources",),
    "extended resources": ("resources",),
    "Lifecycle": ("lifecycle",),
    "SecurityContext": ("securityContext",),
    "SELinuxOptions": ("securityContext", "seLinuxOptions"),
}
"""Kind → its path within our container"""


@dataclass(frozen=True, slots=True)
class Field:
    kind: str
    name: str
    value: Any
    """None: only said why, and tried elsewhere"""
    is_appended: bool
    admission: str | None
    broker: str | None
    why: str

    @property
    def title(self) -> str:
        return f"{self.kind}.{self.name}"

    def put(self, pod: dict[str, Any]) -> None:
        """Into a Pod that is injected, as its author or another webhook would."""
        place = self.place(pod)
        value = copy.deepcopy(self.value)
        if self.is_appended:
            place[self.name] = [*place.get(self.name, []), *value]
        elif isinstance(value, dict) and self.kind in ("ResourceRequirements", "extended resources"):
            place[self.name] = {**place.get(self.name, {}), **value}
        else:
            place[self.name] = value

    def place(self, pod: dict[str, Any]) -> dict[str, Any]:
        """The object that has the field."""
        spec: dict[str, Any] = pod["spec"]
        if self.kind == "PodSpec":
            return spec
        if self.kind == "PodSecurityContext":
            found: dict[str, Any] = spec.setdefault("securityContext", {})
            return found
        found = next(one for one in spec["initContainers"] if one["name"] == names.SIDECAR)
        if self.kind == "VolumeMount":
            return next(one for one in found["volumeMounts"] if one["name"] == names.CONFIG_VOLUME)
        for key in _PLACES[self.kind]:
            found = found.setdefault(key, {})
        return found


def fields() -> list[Field]:
    table: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(_PATH.read_text())
    return [
        Field(
            kind=kind.removeprefix(_PREFIX),
            name=name,
            value=row.get("value"),
            is_appended=row.get("appended", False),
            admission=row.get("admission"),
            broker=row.get("broker"),
            why=row["why"],
        )
        for kind, rows in table.items()
        for name, row in rows.items()
    ]


def decided() -> dict[str, set[str]]:
    """Schema → the fields that the table decides about."""
    table = yaml.safe_load(_PATH.read_text())
    return {kind: set(rows) for kind, rows in table.items() if kind.startswith(_PREFIX)}

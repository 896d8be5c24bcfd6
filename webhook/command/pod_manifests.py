"""The Pods in manifests: a Pod itself, or the Pod that an object makes from its template."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook import names
from webhook.command.lists import Path, objects
from webhook.pod.shape import Json

_TEMPLATES: tuple[Path, ...] = (("spec", "template"), ("spec", "jobTemplate", "spec", "template"))
"""Of Deployment, Job and the like, and of CronJob"""


@dataclass(frozen=True, slots=True)
class PodManifest:
    """A Pod in a document."""

    owner: Mapping[str, Any]
    """The Pod itself, or the object that has the template"""
    owner_path: Path
    """From the document to the owner: a List has items"""
    template_path: Path
    """From the owner to the template; empty for a Pod"""

    @property
    def title(self) -> str:
        """`Deployment web`."""
        metadata = _at(self.owner, ("metadata",))
        name = metadata.get("name") or metadata.get("generateName") if isinstance(metadata, Mapping) else None
        return f"{self.owner['kind']} {name or 'without a name'}"

    @property
    def pod(self) -> Json:
        """The Pod as admission would see it."""
        if not self.template_path:
            return dict(self.owner)
        return {"apiVersion": "v1", "kind": "Pod", **_at(self.owner, self.template_path)}

    @property
    def namespace(self) -> str | None:
        """The namespace that the manifest names."""
        for manifest in (self.pod, self.owner):
            namespace = _at(manifest, ("metadata", "namespace"))
            if namespace:
                return str(namespace)
        return None

    def put_into(self, document: Json, pod: Mapping[str, Any]) -> Json:
        """A new document, in which this Pod replaces the present Pod."""
        present = _at(self.owner, self.template_path)
        added = {"apiVersion", "kind"} - present.keys()
        template = {key: value for key, value in pod.items() if key not in added}
        changed: Json = _replaced(document, (*self.owner_path, *self.template_path), template)
        return changed

    def misplaced_annotations(self) -> list[str]:
        """The annotations of ours that lie above the template, where admission does not see them."""
        above = (self.template_path[:length] for length in range(len(self.template_path)))
        fields = [_at(self.owner, (*path, "metadata", "annotations")) for path in above]
        present = {name for annotations in fields if isinstance(annotations, Mapping) for name in annotations}
        return [name for name in names.AUTHOR_ANNOTATIONS if name in present]


def find_pods(document: object) -> Iterator[PodManifest]:
    """The Pods of a document, also in the items of a List. Most objects make none."""
    for path, manifest in objects(document):
        if not isinstance(manifest, Mapping) or not isinstance(manifest.get("kind"), str):
            continue
        template_path = _template_path(manifest)
        if template_path is not None:
            yield PodManifest(manifest, path, template_path)


def _template_path(manifest: Mapping[str, Any]) -> Path | None:
    """Empty for a Pod. Other objects have templates as well, of a machine or of a Secret: None."""
    if manifest["kind"] == "Pod":
        return ()
    paths = (path for path in _TEMPLATES if _holds_containers(manifest, path))
    return next(paths, None)


def _holds_containers(manifest: Mapping[str, Any], template_path: Path) -> bool:
    return isinstance(_at(manifest, (*template_path, "spec", "containers")), list)


def _at(value: Any, path: Path) -> Any:
    """The value at the path, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _replaced(value: Any, path: Path, leaf: Any) -> Any:
    """A copy of the objects and lists along the path, with another leaf at its end."""
    if not path:
        return leaf
    key, *rest = path
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[key] = _replaced(value[key], tuple(rest), leaf)
    return copy

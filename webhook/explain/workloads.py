"""The kinds of objects that make Pods: how people write them, where they and their templates lie. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from webhook.errors import InputError


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    group: str
    plural: str
    template_path: tuple[str, ...] = ("spec", "template")


KINDS = {
    one.name.lower(): one
    for one in (
        Kind("Job", "batch", "jobs"),
        Kind("CronJob", "batch", "cronjobs", ("spec", "jobTemplate", "spec", "template")),
        Kind("Deployment", "apps", "deployments"),
        Kind("ReplicaSet", "apps", "replicasets"),
        Kind("StatefulSet", "apps", "statefulsets"),
        Kind("DaemonSet", "apps", "daemonsets"),
    )
}

_SHORT = {
    "po": "pod",
    "deploy": "deployment",
    "rs": "replicaset",
    "sts": "statefulset",
    "ds": "daemonset",
    "cj": "cronjob",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a person asks about."""

    kind: Kind | None
    """None: a Pod"""
    name: str


def parse_target(text: str) -> Target:
    """`NAME`, `pod/NAME` or `job/NAME`, in the spellings of kubectl. `InputError` for other kinds."""
    kind, slash, name = text.rpartition("/")
    word = kind.lower().partition(".")[0]
    word = _SHORT.get(word, word)
    plurals = {one.plural: one for one in KINDS.values()}
    if not name or (slash and not word):
        raise InputError.of("InvalidTarget", f"{text!r} is no name: give POD, or a workload as job/NAME")
    if word in ("", "pod", "pods"):
        return Target(None, name)
    found = KINDS.get(word) or plurals.get(word)
    if found is None:
        known = ", ".join(["pod", *KINDS])
        raise InputError.of("InvalidTarget", f"{kind!r} makes no Pods: give one of {known}")
    return Target(found, name)


def collection_path(kind: Kind, namespace: str) -> str:
    return f"/apis/{kind.group}/v1/namespaces/{quote(namespace, safe='')}/{kind.plural}"


def path(kind: Kind, namespace: str, name: str) -> str:
    return f"{collection_path(kind, namespace)}/{quote(name, safe='')}"


def template(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Pod template, empty where the object has none."""
    kind = KINDS.get(str(workload.get("kind")).lower())
    found: Any = workload if kind else {}
    for key in kind.template_path if kind else ():
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def template_field(workload: Mapping[str, Any]) -> str:
    """Where annotations of the Pods belong."""
    kind = KINDS.get(str(workload.get("kind")).lower())
    return ".".join([*(kind.template_path if kind else ("spec", "template")), "metadata.annotations"])


def selector(workload: Mapping[str, Any]) -> str | None:
    """The Pods' labels as a query; None where the object does not select any by labels."""
    labels = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in labels.items()) or None

"""The kinds of objects that make Pods: their names, their paths and the places of their templates. Pure."""

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
    kind.name.lower(): kind
    for kind in (
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
    """The object that a person asks about."""

    kind: Kind | None
    """None: a Pod"""
    name: str


def parse_target(text: str) -> Target:
    """`NAME`, `pod/NAME` or `job/NAME`, in the spellings of kubectl. `InputError` for other kinds."""
    kind, slash, name = text.rpartition("/")
    word = kind.lower().partition(".")[0]
    word = _SHORT.get(word, word)
    plurals = {known.plural: known for known in KINDS.values()}
    if not name or (slash and not word):
        raise InputError.of("InvalidTarget", f"{text!r} is not a name: give POD, or a workload as job/NAME")
    if word in ("", "pod", "pods"):
        return Target(None, name)
    workload = KINDS.get(word) or plurals.get(word)
    if workload is None:
        known = ", ".join(["pod", *KINDS])
        raise InputError.of("InvalidTarget", f"{kind!r} makes no Pods: use one of {known}")
    return Target(workload, name)


def collection_path(kind: Kind, namespace: str) -> str:
    return f"/apis/{kind.group}/v1/namespaces/{quote(namespace, safe='')}/{kind.plural}"


def path(kind: Kind, namespace: str, name: str) -> str:
    return f"{collection_path(kind, namespace)}/{quote(name, safe='')}"


def template(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Pod template, empty where the object has none."""
    kind = KINDS.get(str(workload.get("kind")).lower())
    value: Any = workload if kind else {}
    for key in kind.template_path if kind else ():
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def template_field(workload: Mapping[str, Any]) -> str:
    """The field for annotations of the Pods."""
    kind = KINDS.get(str(workload.get("kind")).lower())
    return ".".join([*(kind.template_path if kind else ("spec", "template")), "metadata.annotations"])


def selector(workload: Mapping[str, Any]) -> str | None:
    """The Pods' labels as a query. None if the object does not select Pods by labels."""
    labels = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in labels.items()) or None

"""Keys of a Pod that look like the product's, but that nobody reads. Pure.

Guard 6 says the same of Pods and templates that do not reach admission (`manifests/policies/misspelt.yaml`).
`webhook.pod.request` warns of misspelt names below our prefix.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from webhook import names

_ELSEWHERE = re.compile(r"[a-z.-]*alauda[a-z.-]*/(?:publish-)?connectors?", re.IGNORECASE)
_DRIVER = re.compile(r"connectors?[-._]?csi(?:[-._]driver)?", re.IGNORECASE)
KEY_LIMIT = 128
"""Characters of a key that are looked at. Prefixes that users mean have some dozens."""
MISSPELLINGS_LIMIT = 4
"""Warnings of each kind. An author with more misspellings sees the others next time."""


def misspellings(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Warnings only: keys of another prefix may belong to another product."""
    annotations, labels = _keys(pod)
    misplaced = (
        f"{name} has no effect as a label: write it under metadata.annotations"
        for name in names.AUTHOR_ANNOTATIONS
        if name in labels and name not in annotations
    )
    return (*islice(misplaced, MISSPELLINGS_LIMIT), *other_prefixes(pod), *_other_drivers(pod))


def other_prefixes(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence for each key that is ours but for its prefix."""
    annotations, labels = _keys(pod)
    resembling = (
        f"{name} has no effect: a Pod asks by the annotation {names.CONNECTOR}"
        for name in (*annotations, *labels)
        if len(name) <= KEY_LIMIT and not name.startswith(names.GROUP + "/") and _ELSEWHERE.fullmatch(name)
    )
    return tuple(islice(resembling, MISSPELLINGS_LIMIT))


def _other_drivers(pod: Mapping[str, Any]) -> tuple[str, ...]:
    volumes = (pod.get("spec") or {}).get("volumes") or []
    drivers = dict.fromkeys(str((volume.get("csi") or {}).get("driver")) for volume in volumes)
    resembling = (
        f"CSI driver {driver} is not known: did you mean {names.CSI_DRIVER}?"
        for driver in drivers
        if driver != names.CSI_DRIVER and len(driver) <= KEY_LIMIT and _DRIVER.fullmatch(driver)
    )
    return tuple(islice(resembling, MISSPELLINGS_LIMIT))


def _keys(pod: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    metadata = pod.get("metadata") or {}
    return metadata.get("annotations") or {}, metadata.get("labels") or {}

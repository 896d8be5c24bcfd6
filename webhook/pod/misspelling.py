"""Keys of a Pod that look like the product's and that nobody reads. Pure.

Guard 6 says the same of Pods and templates that do not reach admission (`manifests/policies/misspelt.yaml`).
Misspelt names below our prefix: `request`.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from webhook import names

_ELSEWHERE = re.compile(r"[a-z.-]*alauda[a-z.-]*/(?:publish-)?connectors?", re.IGNORECASE)
KEY_LIMIT = 128
"""Characters of a key that are looked at. Prefixes that users mean have some dozens."""
MISSPELLINGS_LIMIT = 4
"""Warnings. Who errs more often sees the others next time."""


def misspellings(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Warnings only: keys of another prefix may belong to another product."""
    metadata = pod.get("metadata") or {}
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    return tuple(islice(_warnings(annotations, labels), MISSPELLINGS_LIMIT))


def _warnings(annotations: Mapping[str, str], labels: Mapping[str, str]) -> Iterator[str]:
    for name in names.AUTHOR_ANNOTATIONS:
        if name in labels and name not in annotations:
            yield f"{name} has no effect as a label: write it under metadata.annotations"
    for name in (*annotations, *labels):
        is_ours = name.startswith(names.GROUP + "/") or len(name) > KEY_LIMIT
        if not is_ours and _ELSEWHERE.fullmatch(name):
            yield f"{name} has no effect: a Pod asks by the annotation {names.CONNECTOR}"

"""A Pod before and after, for reading: long values shortened, added lines marked."""

import difflib
from collections.abc import Mapping
from typing import Any

from webhook.command.yaml_files import dump
from webhook.console import Console

_LONG = 90


def show_before(pod: Mapping[str, Any], console: Console) -> None:
    for line in dump(pod).splitlines():
        is_ours = "connectors.alauda.io/" in line
        console.line("  " + line, *(("green",) if is_ours else ()))


def show_after(before: Mapping[str, Any], after: Mapping[str, Any], console: Console) -> None:
    """Only what was added, with a line of what stood there around it."""
    lines = difflib.unified_diff(
        dump(_shortened(before)).splitlines(), dump(_shortened(after)).splitlines(), lineterm="", n=1
    )
    console.diff(["  " + line if line[:1] not in "+-@" else line for line in list(lines)[2:]])


def _shortened(value: Any) -> Any:
    """The same document with its long texts (files, certificates, scripts) cut; for the eye only."""
    if isinstance(value, Mapping):
        return {key: _shortened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    if isinstance(value, str) and (len(value) > _LONG or value.startswith("-----BEGIN")):
        return f"{' '.join(value.split())[: _LONG - 30]} … ({len(value)} characters)"
    return value

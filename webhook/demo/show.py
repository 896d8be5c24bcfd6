"""A Pod before and after, for reading: long values shortened, added lines marked."""

import difflib
from collections.abc import Mapping
from typing import Any

from webhook.command.yaml_files import dump
from webhook.console import Console

_TEXT_LIMIT = 90


def show_before(pod: Mapping[str, Any], console: Console) -> None:
    for line in dump(pod).splitlines():
        is_ours = "connectors.alauda.io/" in line
        console.line("  " + line, *(("green",) if is_ours else ()))


def show_after(before: Mapping[str, Any], after: Mapping[str, Any], console: Console) -> None:
    """The added lines, each group with a line of context."""
    lines = difflib.unified_diff(
        dump(_shortened(before)).splitlines(), dump(_shortened(after)).splitlines(), lineterm="", n=1
    )
    console.diff(["  " + line if line[:1] not in "+-@" else line for line in list(lines)[2:]])


def _shortened(value: Any) -> Any:
    """The same document for reading: long texts (files, certificates, scripts) are cut."""
    if isinstance(value, Mapping):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, str) and (len(value) > _TEXT_LIMIT or value.startswith("-----BEGIN")):
        return f"{' '.join(value.split())[: _TEXT_LIMIT - 30]} … ({len(value)} characters)"
    return value

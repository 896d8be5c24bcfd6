"""Statements of `explain`, each with its fix, in sections in the order of reading. Pure."""

from dataclasses import dataclass
from typing import Literal

Section = Literal["created", "asked", "injected", "granted", "connector", "requests"]
Level = Literal["ok", "note", "waiting", "wrong"]
"""`waiting`: not yet, and nothing to do. `note`: worth knowing, but not why a Pod is not served"""


@dataclass(frozen=True, slots=True)
class Statement:
    section: Section
    level: Level
    text: str
    fix: str = ""
    """A sentence, or a command to paste"""

"""What `explain` says: statements with the fix, in sections in the order in which a person reads. Pure."""

from dataclasses import dataclass
from typing import Literal

Section = Literal["created", "asked", "injected", "granted", "connector", "requests"]
Level = Literal["ok", "note", "waiting", "wrong"]
"""`waiting`: not yet, and nothing need be done; `note`: worth knowing, and no reason for not being served"""


@dataclass(frozen=True, slots=True)
class Statement:
    section: Section
    level: Level
    text: str
    fix: str = ""
    """A sentence, or a command to paste"""

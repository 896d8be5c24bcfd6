"""Text of others for the eyes of a person: what a terminal would obey, or not show, becomes visible. Pure.

Events, statuses, logs and manifests hold words of their authors, who are not to command the terminal of who
reads them, nor to make a line read other than it is (CVE-2021-42574 did so with turns of direction).
"""

import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Zl", "Zp", "Cs", "Co"))
"""Categories of Unicode: controls, formats, ends of lines and paragraphs, surrogates, private use"""
_SPACES = frozenset("\n\t")


def plain(text: str) -> str:
    """One line: line feeds and tabs are spaces, hidden characters read as `\\u202e`, as in Python and YAML"""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in _SPACES:
        return " "
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")

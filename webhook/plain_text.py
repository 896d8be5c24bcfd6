"""Makes foreign text safe to print: control and invisible characters become visible. Pure.

Events, statuses, logs and manifests hold text of other authors. That text must not control the reader's
terminal, nor make a line read differently than it is (CVE-2021-42574 does so with bidirectional controls).
"""

import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Zl", "Zp", "Cs", "Co"))
"""Unicode categories: controls, formats, line and paragraph separators, surrogates, private use"""
_SPACES = frozenset("\n\t")


def plain(text: str) -> str:
    """The text as one line. Line feeds and tabs become spaces; a hidden character is escaped as in Python.

    Example: `a<U+202E>b` becomes `a\\u202eb`.
    """
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character in _SPACES:
        return " "
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")

"""The packages that a grant lets through, by `allowPackages` and `denyPackages` of its Connector. Pure.

A list of patterns is an automaton with a bit for each character of each pattern (Shift-And: Baeza-Yates and
Gonnet, CACM 35:10, 1992). A name takes as many steps as it has characters, for any patterns. For a regular
expression with n stars, the time would grow with the n-th power of the length.
"""

from collections.abc import Sequence

from sidecar.contract.grant import PackagePolicy
from sidecar.contract.words import Code
from sidecar.errors import Refusal

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
"""The characters of normalised names. To import `string` costs half a millisecond of the sidecar's start"""
_SHOWN = 5
"""Patterns of allowPackages in a sentence, which must fit into a reason phrase"""


class Patterns:
    """A list of patterns (`contract.grant.PACKAGE_PATTERN`).

    Each bit of the state stands for a prefix of a pattern. It is set if this prefix matches the characters so
    far. Example, for the list `a*`, `b?`:

        bit         0      1        2      3      4
        prefix      ``     `a*`     ``     `b`    `b?`
        set by             a               b      any character
        stays set          always
        an end             yes                    yes

    A name begins with the bits 0 and 2. `bc` sets bit 3, then bit 4, which is the end of `b?`. `abc` sets bit
    1, which stays set, and is the end of `a*`. `b` sets bit 3 only, which is no end.
    """

    __slots__ = ("_ends", "_first", "_pattern_of", "_stars", "_steps")

    def __init__(self, patterns: Sequence[str]) -> None:
        self._first = self._stars = self._ends = 0
        self._pattern_of: dict[int, str] = {}
        """Bit of the last character → pattern"""
        marks = 0
        letters = dict.fromkeys(_LETTERS, 0)
        bit = 1
        for pattern in patterns:
            self._first |= bit
            for letter in pattern:
                if letter == "*":
                    self._stars |= bit  # stays set, whatever the next character is
                    continue
                bit <<= 1
                if letter == "?":
                    marks |= bit
                else:
                    letters[letter] |= bit
            self._ends |= bit
            self._pattern_of[bit] = pattern
            bit <<= 1
        self._steps = {letter: bits | marks for letter, bits in letters.items()}

    def find(self, name: str) -> str | None:
        """The first pattern that the whole of a normalised name matches."""
        state, steps, stars = self._first, self._steps, self._stars
        for letter in name:
            state = (state << 1) & steps[letter] | state & stars
        state &= self._ends
        return self._pattern_of[state & -state] if state else None


class Policy:
    """Both lists of a grant, as automata."""

    __slots__ = ("_allow", "_deny", "_rules")

    def __init__(self, rules: PackagePolicy) -> None:
        self._rules = rules
        self._allow = Patterns(rules.allow) if rules.allow else None
        self._deny = Patterns(rules.deny)

    def check(self, projects: Sequence[str]) -> None:
        """Refuse a request unless all of these normalised names may pass: a file may have several."""
        for project in projects:
            self.check_denied(project)
            if self._allow and not self._allow.find(project):
                self._refuse(project, "not allowed", f"allowPackages: {_shortened(self._rules.allow)}")

    def check_denied(self, project: str) -> None:
        """Refuse a name that `denyPackages` matches, even if `allowPackages` matches it too."""
        pattern = self._deny.find(project)
        if pattern:
            self._refuse(project, "denied", f"denyPackages: {pattern}")

    def _refuse(self, project: str, verb: str, rule: str) -> None:
        sentence = f'package "{project}" is {verb} by connector {self._rules.connector} ({rule})'
        raise Refusal(403, Code.PACKAGE_DENIED, sentence)


def _shortened(patterns: Sequence[str]) -> str:
    more = len(patterns) - _SHOWN
    return ", ".join(patterns[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

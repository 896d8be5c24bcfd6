"""Parses JSON of the API server piece by piece: the items of a list, and the lines of a watch. Pure.

A list of large objects does not fit into the memory of this process; each item does. The standard library
parses whole documents only, so each item is parsed as soon as it is complete (`JSONDecoder.raw_decode`):

    {"apiVersion":"v1","items":[{"a":1},{"b":   →  {"a": 1}; `{"b":` stays until more data arrives

The order of keys varies: `metadata`, which names the next page, comes before the items of Pods and after the
items of custom resources.
"""

import codecs
import json
import re

from webhook.cluster.json_depth import shallow
from webhook.cluster.trim import Json

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class TooLong(ValueError):
    """An item or a line exceeds its limit."""


class _Incomplete(Exception):
    """More data must arrive first."""


class ListItems:
    """The items of one list, and its `metadata` after the end. `limit`: characters of one item."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text = ""
        """Text that is not parsed yet"""
        self._next_attempt = 0
        """Length of the text at which to try again. It doubles, or an item of 24 pieces is parsed 24 times"""
        self._is_inside = False
        """Whether the next value is an item"""
        self.is_complete = False
        self.metadata: Json = {}

    def feed(self, data: bytes, *, is_last: bool = False) -> list[Json]:
        """The items that are complete now. Raises `TooLong`, and `ValueError` if the data is no list."""
        self._text += self._decode(data, is_last)
        items: list[Json] = []
        at = 0
        try:
            while (is_last or len(self._text) - at >= self._next_attempt) and not self.is_complete:
                at = self._step(at, items)
                self._next_attempt = 0
        except _Incomplete:
            self._next_attempt = min(2 * (len(self._text) - at), self._limit)
        self._text = self._text[at:]
        if len(self._text) > self._limit:
            raise TooLong(f"an object is longer than {self._limit} characters")
        if is_last and not self.is_complete:
            raise ValueError("the list is cut off, or is none")
        return items

    def _step(self, at: int, items: list[Json]) -> int:
        """Parse one member of the list's object, or one item. Returns the position after it."""
        at, mark = self._mark(at)
        if mark == "," or (mark == "{" and not self._is_inside):
            at, mark = self._mark(at + 1)
        if self._is_inside:
            if mark == "]":
                self._is_inside = False
                return at + 1
            value, at = self._value(at)
            if isinstance(value, dict):
                items.append(value)
            return at
        if mark == "}":
            self.is_complete = True
            return at + 1
        return self._member(at)

    def _member(self, at: int) -> int:
        name, at = self._value(at)
        at, mark = self._mark(at)
        if mark != ":":
            raise ValueError("the answer is no JSON object")
        at, mark = self._mark(at + 1)
        if name == "items" and mark == "[":
            self._is_inside = True
            return at + 1
        value, at = self._value(at)
        if name == "metadata" and isinstance(value, dict):
            self.metadata = value
        return at

    def _mark(self, at: int) -> tuple[int, str]:
        """Position of the next character that is no space, and the character."""
        match = _SPACE.match(self._text, at)
        at = match.end() if match else at
        if at >= len(self._text):
            raise _Incomplete
        return at, self._text[at]

    def _value(self, at: int) -> tuple[object, int]:
        try:
            value, end = _DECODER.raw_decode(self._text, at)
        except json.JSONDecodeError:
            raise _Incomplete from None
        except RecursionError:
            value, end = self._deep_value(at)
        if end == len(self._text):  # more digits of a number may follow
            raise _Incomplete
        return value, end

    def _deep_value(self, at: int) -> tuple[object, int]:
        shallow_part = shallow(self._text, at)
        if shallow_part is None:
            raise _Incomplete
        value, end = shallow_part
        return json.loads(value), end


class Lines:
    """The lines of a stream. `limit`: bytes of one line."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now. Raises `TooLong`."""
        begun = len(self._rest)
        self._rest += data
        lines = []
        start = 0
        while (end := self._rest.find(b"\n", max(start, begun))) >= 0:
            lines.append(bytes(self._rest[start:end]))
            start = end + 1
        del self._rest[:start]
        if len(self._rest) > self._limit:
            raise TooLong(f"a line is longer than {self._limit} bytes")
        return lines

"""Forms of uploads (RFC 7578): every part is looked at while the body streams through. Pure.

A registry does other things too at its upload address: pypiserver deletes with the action `remove_pkg`. So a
form has exactly one `:action`, with the value `file_upload`. Registries read forms leniently, and each in its
own way. So the grammar here is the part of RFC 2046 and RFC 7578 that all of them read alike, and that the
clients write: a second reading of a form could have another action.
"""

import re
from collections.abc import Sequence

ACTION = b"file_upload"
HEAD_LIMIT = 1024
"""Octets of a delimiter and a part's head: 70 of a boundary, 255 of a file's name, and three field names"""
PART_LIMIT = 4096
"""Arbitrary. Each line of `Requires-Dist` is a part, and packages with many extras have hundreds"""

_FORM_TYPE = re.compile(
    # No character that some reader takes for a separator. With a hyphen at the end, a closing delimiter could
    # hold a second delimiter. No further parameter: webob decodes names by a `charset`, such as UTF-7
    rb'multipart/form-data[ \t]*;[ \t]*boundary=("?)([A-Za-z0-9+_.-]{0,69}[A-Za-z0-9+_.])\1[ \t]*',
    re.IGNORECASE,
)
_DISPOSITION = re.compile(
    # No `name*`, escape, bracket or percent sign, which some readers take for another name. A name with `_`
    # at the begin is for the framework of a registry: `_method` of Rack, `_charset_` (RFC 7578 §4.6)
    rb'form-data; ?name="(:action|[A-Za-z][A-Za-z0-9_-]{0,63})"'
    rb'(?:; ?filename="([A-Za-z0-9_][A-Za-z0-9._+!~-]{0,254})")?+'
)
_OTHER_FIELDS = {
    b"content-type": re.compile(
        # a part may be no form itself; and no coding of letters but those that contain ASCII
        rb"(?!multipart/|message/|application/x-www-form-urlencoded)[a-z0-9_.+-]{1,64}/[a-z0-9_.+-]{1,64}"
        rb'(?:; ?charset=("?)(?:utf-8|us-ascii|iso-8859-1)\1)?+',
        re.IGNORECASE,
    ),
    b"content-transfer-encoding": re.compile(rb"binary|8bit|7bit", re.IGNORECASE),
}
_TEXT = b"text/plain"


class MalformedForm(ValueError):
    """A body that is no form of an upload, or that another reader could read in another way."""


def boundary_of(content_types: Sequence[bytes]) -> bytes:
    """The boundary, from all values of Content-Type. Raises MalformedForm."""
    match = _FORM_TYPE.fullmatch(content_types[0]) if len(content_types) == 1 else None
    if match is None:
        raise MalformedForm("no content type multipart/form-data with one plain boundary")
    return match[2]


class FormReader:
    """Looks at a form as it streams through.

    `feed` returns the bytes that were seen to be right. It holds back the others: a part from its delimiter
    to the end of its head, `:action` to the end of its value, and the closing delimiter to the end of the
    body. So no registry gets a byte that was refused, whatever it makes of a body without end.

        state      at its place comes                          then
        delimiter  CRLF `--boundary` CRLF, head                action, content
                   CRLF `--boundary--`                         end
        action     `file_upload`, CRLF `--boundary`            delimiter
        content    anything, up to the next `--boundary`,      delimiter
                   which must have CRLF in front
        end        nothing, or CRLF

    The first delimiter may lack its CRLF (`distutils` sends it).
    """

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"--" + boundary
        self._delimiter = b"\r\n" + self._mark
        self._is_content = False
        self._is_first = True
        self._has_action = False
        self._parts = 0
        self._held = b""

    def feed(self, piece: bytes | memoryview) -> bytes | memoryview:
        """Take bytes of the body. Return those that may be sent now, perhaps none. Raises MalformedForm.

        A view begins where its object begins: most of a file is searched in place, for a view has no `find`.
        """
        if self._is_content and not self._held and not self._has_mark(piece):
            count = len(piece) - self._begun(bytes(piece[-len(self._mark) - 1 :]))
            self._held = bytes(piece[count:])
            return piece[:count]
        data = self._held + piece
        count = self._sure(data)
        self._held = data[count:]
        return data[:count]

    def finish(self) -> bytes:
        """The body has ended. Return the bytes that were held back. Raises MalformedForm."""
        closing = self._delimiter + b"--"
        if self._is_content or not self._parts or self._held not in (closing, closing + b"\r\n"):
            raise MalformedForm("it has no end")
        if not self._has_action:
            raise MalformedForm("it has no :action")
        return self._held

    def _has_mark(self, piece: bytes | memoryview) -> bool:
        whole = piece.obj if isinstance(piece, memoryview) else piece
        if not isinstance(whole, bytes | bytearray):
            whole = bytes(piece)
        return whole.find(self._mark, 0, len(piece)) >= 0

    def _sure(self, data: bytes) -> int:
        """How many of these bytes may pass. The state afterwards is for the bytes behind them."""
        place = 0
        while True:
            if self._is_content:
                end = self._end_of_content(data, place)
                if end is None:
                    return len(data) - self._begun(data[max(place, len(data) - len(self._mark) - 1) :])
                self._is_content = False
                place = end
            else:
                end = self._end_of_opening(data, place)
                if end is None:
                    return place
                place = end

    def _end_of_content(self, data: bytes, start: int) -> int | None:
        """The place of the next delimiter; None if none has come."""
        mark = data.find(self._mark, start)
        if mark < 0:
            return None
        if mark - 2 < start or data[mark - 2 : mark] != b"\r\n":
            raise MalformedForm("it has its boundary at a place where no part begins")
        return mark - 2

    def _begun(self, tail: bytes) -> int:
        """How many bytes at the end of the content so far could be the begin of a delimiter."""
        for place, octet in enumerate(tail):
            if octet in b"\r-" and (
                self._delimiter.startswith(tail[place:]) or self._mark.startswith(tail[place:])
            ):
                return len(tail) - place
        return 0

    def _end_of_opening(self, data: bytes, start: int) -> int | None:
        """Read a delimiter and the head behind it, for `:action` also the value. Returns the place behind it.

        None if more must come.
        """
        delimiter = self._delimiter
        if self._is_first and not b"\r\n".startswith(data[start : start + 2]):
            delimiter = self._mark
        head = start + len(delimiter)
        if not (delimiter + b"\r\n").startswith(data[start : head + 2]):
            if not (delimiter + b"--\r\n").startswith(data[start:]):
                raise MalformedForm("a part begins in no usual way, or bytes follow its end")
            return None
        end = data.find(b"\r\n\r\n", head)
        if (end if end >= 0 else len(data) - 3) - start > HEAD_LIMIT:
            raise MalformedForm(f"a part's head is longer than {HEAD_LIMIT} octets")
        if end < 0:
            return None
        value = end + 4
        if self._is_action(data[head + 2 : end]):
            value = self._end_of_action(data, value)
            if value < 0:
                return None
            self._has_action = True
        else:
            self._is_content = True
        self._is_first = False
        self._parts += 1
        if self._parts > PART_LIMIT:
            raise MalformedForm(f"it has more than {PART_LIMIT} parts")
        return value

    def _is_action(self, head: bytes) -> bool:
        """Check a part's head. Returns whether the part is `:action`."""
        if self._mark in head:
            raise MalformedForm("it has its boundary at a place where no part begins")
        fields = [line.partition(b":") for line in head.split(b"\r\n")]
        values = {name.lower(): value.removeprefix(b" ") for name, _, value in fields}
        disposition = _DISPOSITION.fullmatch(values.pop(b"content-disposition", b""))
        if disposition is None or len(values) != len(fields) - 1:
            raise MalformedForm("a part has no plain content-disposition, or a field twice")
        for name, value in values.items():
            pattern = _OTHER_FIELDS.get(name)
            if pattern is None or not pattern.fullmatch(value):
                raise MalformedForm("a part has a field that no client sends")
        name = disposition[1]
        if name.lower() == b"action":
            raise MalformedForm("it has an action beside :action")
        if name != b":action":
            return False
        is_text = values.get(b"content-type", _TEXT).lower().startswith(_TEXT)
        if self._has_action or disposition[2] is not None or not is_text:
            raise MalformedForm("it has :action twice, or as a file")
        return True

    def _end_of_action(self, data: bytes, start: int) -> int:
        """The place behind the value of `:action`; negative if more must come."""
        wanted = ACTION + self._delimiter
        came = data[start : start + len(wanted)]
        if not wanted.startswith(came):
            raise MalformedForm(f"its :action is not {ACTION.decode()}")
        return start + len(ACTION) if came == wanted else -1

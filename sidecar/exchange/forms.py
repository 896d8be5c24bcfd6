"""The form of an upload: what is wrong with it becomes the answer to its client."""

from typing import NoReturn

from sidecar.contract.words import Code
from sidecar.errors import Refusal
from sidecar.http.http1 import CHUNKED, Headers, RequestHead
from sidecar.http.multipart import FormReader, MalformedForm, boundary_of


class Form:
    """A `FormReader` that raises Refusal."""

    def __init__(self, head: RequestHead) -> None:
        """`head` of the client's request."""
        try:
            boundary = boundary_of([value for name, value in head.headers if name == b"content-type"])
        except MalformedForm as error:
            _refuse(415, error)
        self._reader = FormReader(boundary)
        self._left = head.length
        """Bytes of the body that are to come; negative if it is chunked"""
        if not self._left:
            self.finish()
        self.headers = _headers(boundary, head.length)
        """Of the body, for the registry, with its length as declared by the client"""

    def feed(self, piece: memoryview) -> bytes | memoryview:
        """Take bytes of the body. Return the bytes that may be sent now, perhaps none."""
        self._left -= len(piece)
        try:
            passed = self._reader.feed(piece)
            if not self._left:  # with these bytes the registry would have the whole body
                self._reader.finish()
            return passed
        except MalformedForm as error:
            _refuse(400, error)

    def finish(self) -> bytes:
        """The body has ended. Return the bytes that were held back."""
        try:
            return self._reader.finish()
        except MalformedForm as error:
            _refuse(400, error)


def _headers(boundary: bytes, length: int) -> Headers:
    # the type is written again, for readers take different things from an unusual header
    content_type = (b"content-type", b"multipart/form-data; boundary=" + boundary)
    if length == CHUNKED:
        return [content_type, (b"transfer-encoding", b"chunked")]
    return [content_type, (b"content-length", b"%d" % length)]


def _refuse(status: int, error: MalformedForm) -> NoReturn:
    raise Refusal(status, Code.FORM_REFUSED, f"this is no upload of a package: {error}") from error

"""Forms that upload a file, as package clients send them."""

BOUNDARY = "9b8f8b6c4f2e4d0a"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
TYPE_LINE = f"Content-Type: {TYPE}\r\n".encode()
"""For a head in octets"""
ACTION = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload'.encode()
CONTENT = (
    f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="foo-1.0.tar.gz"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
BEGIN, END = ACTION + CONTENT, f"\r\n--{BOUNDARY}--\r\n".encode()
AROUND = len(BEGIN + END)
"""Octets of a form around its file"""


def form(content: bytes = b"hello") -> bytes:
    """The form of an upload of this file."""
    return BEGIN + content + END


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


FORM = form()
UPLOAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n" + TYPE_LINE
"""The begin of a request's head"""
LENGTH = b"Content-Length: %d\r\n" % len(FORM)
BEGUN = chunk(BEGIN + b"hello")
"""Of a chunked upload"""

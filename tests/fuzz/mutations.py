"""Bytes that peers send, and broken variants of them. Pure: a seed determines each."""

import gzip
import random

from support.servers.odd_answers import ODD_ANSWERS
from support.sidecars.forms import FORM, LENGTH, TYPE_LINE, chunk

WHEEL = "/files/foo-1.0-py3-none-any.whl"
HOST = b"Host: localhost\r\n"
REQUESTS = [
    b"GET /files/foo-1.0-py3-none-any.whl HTTP/1.1\r\n" + HOST + b"Range: bytes=0-5\r\nAccept: */*\r\n\r\n",
    b"GET /simple/foo/ HTTP/1.1\r\n" + HOST + b"Connection: keep-alive, Accept\r\n\r\n",
    b"HEAD /simple/foo/ HTTP/1.0\r\n" + HOST + b"\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + TYPE_LINE + LENGTH + b"\r\n" + FORM,
    b"POST /legacy/ HTTP/1.1\r\n"
    + (HOST + TYPE_LINE + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(FORM) + b"0\r\n\r\n"),
    b"POST / HTTP/1.1\r\n" + HOST + TYPE_LINE + b"Expect: 100-continue\r\n" + LENGTH + b"\r\n" + FORM,
    b"CONNECT registry:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"Upgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]
OK = b"HTTP/1.1 200 OK\r\n"
PAGE = b"<base href='/x/'><a href=\"foo-1.0.zip#sha256=ab\" data-yanked=''>foo</a><a href=//evil/x>"
JSON = b'{"files":[{"url":"https:\\/\\/x/foo-1.0.zip","hashes":{}}],"name":"foo","x":"\\u002f"}'
HTML = b"Content-Type: text/html\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def whole(fields: bytes, body: bytes) -> bytes:
    """A page with a length."""
    return OK + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body


ANSWERS = [
    whole(b'ETag: "a"\r\n', b"wheel"),
    whole(HTML, PAGE),
    whole(b"Content-Type: application/vnd.pypi.simple.v1+json\r\n", JSON),
    whole(HTML + b"Content-Encoding: gzip\r\n", gzip.compress(PAGE, mtime=0)),
    whole(b"Content-Type: text/html; charset=utf-16\r\n", PAGE.decode().encode("utf-16")),
    OK + HTML + CHUNKED + b"\r\n5\r\n<a hr\r\n7;x=y\r\nef=foo>\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /files/foo-1.0.zip\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: https://[::1]:1/x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
    whole(b"Content-Encoding: gzip\r\n", gzip.compress(PAGE, mtime=0)).replace(b"200 OK", b"404 None"),
    b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    *[one.render(OK, HTML, PAGE) for one in ODD_ANSWERS.values()],
]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b"\xff",
    b"%2e",
    b"\xc3\xa9",
    b"0",
    b"-1",
    b"a" * 5000,
]
PIECES += [
    b"\r\n\r\n",
    b"chunked",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"9" * 25,
    b"<",
    b"'",
    b"\\u",
]


def mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    """One of the corpus with some bytes put in, taken out, changed, repeated or joined with another one."""
    data = chance.choice(corpus)
    for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        taken = chance.choice((0, 0, 1, 2, 10))
        change = chance.randrange(4)
        if change == 0:
            data = data[:at] + chance.choice(PIECES) + data[at + taken :]
        elif change == 1:
            data = data[:at] + chance.randbytes(chance.choice((1, 2, 50))) + data[at + taken :]
        elif change == 2:
            data = data[:at] + data[at : at + 20] * chance.choice((2, 100)) + data[at:]
        else:
            data = data[:at] + chance.choice(corpus)[at:]
    return data


def pieces(chance: random.Random, data: bytes) -> list[bytes]:
    """The same bytes, cut in a few places."""
    places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 0, 1, 3))))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]

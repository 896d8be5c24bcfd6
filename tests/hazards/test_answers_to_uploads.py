"""An upload that the registry took is never reported as failed, however odd or broken the answer is."""

import pytest

from support.servers.registry import Call, Registry, gzipped
from support.sidecars.forms import FORM, UPLOAD, chunk
from support.sidecars.running import AUTHORIZATION, PASSWORD, Sidecar

OK = b"HTTP/1.1 201 Created\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SHOWN = {
    "chunked twice": OK + CHUNKED * 2 + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "two equal lengths": OK + b"Content-Length: 2\r\n" * 2 + b"\r\nok",
    "padded sizes": OK + CHUNKED + b"\r\n2   \r\nok\r\n0\r\n\r\n",
    "line feeds only": (OK + b"Content-Length: 2\r\n\r\n").replace(b"\r", b"") + b"ok",
    "no colon": OK + b"no colon\r\nContent-Length: 2\r\n\r\nok",
    "no last line": OK + CHUNKED + b"\r\n2\r\nok\r\n0\r\n",
    "no length": OK + b"\r\nok",
}
BROKEN = {
    "a body that breaks off": OK + b"Content-Length: 20\r\n\r\nok",
    "chunks that break off": OK + CHUNKED + b"\r\n2\r\nok\r\n",
    "a malformed chunk": OK + CHUNKED + b"\r\n2\r\nok\r\nx\r\n",
    "two readings of a chunk": OK + CHUNKED + b"\r\n2;a\nok\r\n0\r\n\r\n",
    "another length beside chunks": OK + b"Content-Length: 3\r\n" + CHUNKED + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "no number for a length": OK + b"Content-Length: two\r\n\r\nok",
    "another transfer coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a bare carriage return": OK + b"X: y\rZ: z\r\n\r\nok",
    "a head that breaks off": OK + b"Content-Type: te",
    "a head of a single line": OK,
    "a head that is too long": OK + b"X: " + b"y" * 200_000,
    "no gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
    "another coding": OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nok",
}
NOTHING = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "a status line without its end": b"HTTP/1.1 201 Created",
    "no HTTP": b"<html>ok</html>\r\n\r\n",
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2010 Created\r\nContent-Length: 2\r\n\r\nok",
}


def answers(registry: Registry, data: bytes) -> None:
    def script(call: Call) -> None:
        call.read_body()
        call.send(data)

    registry.on("/upload/", script)


@pytest.mark.parametrize("data", SHOWN.values(), ids=SHOWN.keys())
def test_an_odd_success_is_a_success_with_its_words(
    registry: Registry, sidecar: Sidecar, data: bytes
) -> None:
    answers(registry, data)
    reply = sidecar.upload(b"hello")
    assert (reply.status, reply.reason, reply.body) == (201, "Created", b"ok")
    assert len(registry.requests) == 1


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_a_success_stands_whatever_becomes_of_its_words(
    registry: Registry, sidecar: Sidecar, data: bytes, is_chunked: bool
) -> None:
    answers(registry, data)
    if is_chunked:
        head = UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n"
        raw = sidecar.exchange(head + chunk(FORM) + b"0\r\n\r\n")
        assert raw.startswith(b"HTTP/1.1 201 Created\r\n"), raw
    else:
        reply = sidecar.upload(b"hello")
        assert (reply.status, reply.reason) == (201, "Created")
    assert len(registry.requests) == 1
    assert sidecar.wait_line(message="request", action="upload")["status"] == 201


@pytest.mark.parametrize("data", [*SHOWN.values(), *BROKEN.values()], ids=[*SHOWN, *BROKEN])
@pytest.mark.parametrize("status", [b"400", b"409", b"500"])
def test_so_does_a_refusal(registry: Registry, sidecar: Sidecar, data: bytes, status: bytes) -> None:
    """A 409 says that the file is there: twine may be told to skip it."""
    answers(registry, data.replace(b" 201", b" " + status, 1))
    assert sidecar.upload(b"hello").status == int(status)


@pytest.mark.parametrize("data", NOTHING.values(), ids=NOTHING.keys())
def test_an_answer_without_a_status_says_that_the_upload_may_have_been_taken(
    registry: Registry, sidecar: Sidecar, data: bytes
) -> None:
    """twine repeats an upload after any status of 500 and more, and takes 409 for `is there`."""
    answers(registry, data)
    reply = sidecar.upload(b"hello")
    assert reply.status == 424
    assert "may have taken it" in reply.reason
    assert b"may have taken it" in reply.body
    assert len(registry.requests) == 1
    sidecar.wait_line(reason="upload-unconfirmed")


def test_an_upload_that_the_registry_breaks_off_was_not_taken(registry: Registry, sidecar: Sidecar) -> None:
    """It has not got all of it, so it may be sent again."""

    def breaks(call: Call) -> None:
        call.read_some()
        call.reset()

    registry.on("/upload/", breaks)
    assert sidecar.upload(bytes(50_000_000)).status == 502


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Len", 502),
        (b"HTTP/1.1  200 OK\nX: y\n", 502),
        (b"HTTP/1.1 307 Moved\r\nLoc", 502),
        (b"HTTP/1.1 413 Too Much\r\n", 413),
        (b"HTTP/1.1 413 Too Much\r\nContent-Len", 413),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 424),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", 424),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", 424),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_reset", [False, True], ids=["end", "reset"])
def test_an_upload_of_which_a_part_was_sent_is_never_told_as_taken(
    registry: Registry, sidecar: Sidecar, data: bytes, status: int, is_reset: bool
) -> None:
    def breaks(call: Call) -> None:
        call.read_some()
        call.send(data)
        call.wait_read()
        (call.reset if is_reset else call.cut)()

    registry.on("/upload/", breaks)
    reply = sidecar.upload(bytes(30_000_000))
    assert reply.status == status
    assert len(registry.requests) == 1


@pytest.mark.parametrize(
    "words", [b"&#" + b"9" * 5000 + b";", b"\\ud800 %ff &#xd800; \xff", b"&#x110000;"], ids=["long", "a", "b"]
)
def test_words_that_cannot_be_searched_do_not_hide_the_status(
    registry: Registry, sidecar: Sidecar, words: bytes
) -> None:
    for fields, body in ((b"", words), (b"X-Note: " + words + b"\r\n", b"ok")):
        answers(registry, OK + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert sidecar.upload(b"hello").status == 201


def test_the_words_are_not_waited_for_as_long_as_a_file(registry: Registry, sidecar: Sidecar) -> None:
    """They have no length, and the connection stays open."""

    def script(call: Call) -> None:
        call.read_body()
        call.send(OK + b"\r\nok")
        call.wait_gone(60)

    registry.on("/upload/", script)
    assert sidecar.upload(b"hello").status == 201
    assert sidecar.wait_line(message="request", action="upload")["ms"] < 20_000


@pytest.mark.parametrize("secret", [PASSWORD, AUTHORIZATION])
@pytest.mark.parametrize("status", [b"201", b"400"])
def test_words_that_repeat_the_credential_stay_hidden_in_every_disguise(
    registry: Registry, sidecar: Sidecar, secret: str, status: bytes
) -> None:
    """`sidecar.upload` looks for it in all that comes back."""
    plain = b"you are " + secret.encode()
    packed = gzipped(plain)
    for fields, body in (
        (b"Content-Encoding: none\r\n", plain),
        (b"Content-Encoding: none\r\nContent-Encoding: gzip\r\n", packed),
        (b"Content-Encoding: aws-chunked, gzip\r\n", packed),
        (b"Content-Encoding: gzip, gzip\r\n", gzipped(packed)),
        (b"Content-Encoding: none, br\r\n", plain),
        (CHUNKED * 2, b"%x  \r\n%b\r\n0\r\n\r\n" % (len(plain), plain)),
        (b"X-A : " + plain + b"\r\n", b""),
        (b"X-A: b\r\n " + plain + b"\r\n", b""),
        (b"no colon " + plain + b"\r\n", b""),
    ):
        head = b"HTTP/1.1 %b Words\r\n" % status + fields
        answers(registry, head + b"\r\n" + body)
        reply = sidecar.upload(b"hello")
        assert reply.status == int(status)
        assert packed not in reply.body
        assert gzipped(packed) not in reply.body


@pytest.mark.parametrize("missing", [1, 8])
def test_half_a_credential_is_not_shown_where_the_words_break_off(
    registry: Registry, sidecar: Sidecar, missing: int
) -> None:
    half = PASSWORD[:-missing].encode()
    for status in (b"201", b"400"):
        answers(registry, b"HTTP/1.1 %b X\r\nContent-Length: 100\r\n\r\nyou are " % status + half)
        reply = sidecar.upload(b"hello")
        assert reply.status == int(status)
        assert half not in reply.body

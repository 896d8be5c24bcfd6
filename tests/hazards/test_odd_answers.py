"""Answers that break RFC 9112 and have one meaning: passed on, and nothing follows them on their connection.

Registries, and the proxies before them, send such answers, and pip and uv take them. What has two meanings is
in `test_response_splitting.py`, and what comes of an odd answer to an upload in `test_answers_to_uploads.py`.
"""

import http.client
import time

import pytest

from support.servers.odd_answers import CHUNKED, END, ODD_ANSWERS, START, TOKENS
from support.servers.registry import PATIENCE_SECONDS, Call, Registry, gzipped
from support.sidecars.running import Sidecar, ask

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"
BODY = b"<a href='/files/foo-1.0-py3-none-any.whl'>foo</a>"
HTML = b"Content-Type: text/html\r\n"
NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"


def chunks(end: bytes) -> bytes:
    return START + HTML + CHUNKED + b"\r\n%x\r\n%b\r\n%b" % (len(BODY), BODY, end)


KINDS = {name: one.render(START, HTML, BODY) for name, one in ODD_ANSWERS.items()}
FOLLOWED = {name: data for name, data in KINDS.items() if ODD_ANSWERS[name].may_have_more}
ALONE = {name: data for name, data in KINDS.items() if name not in FOLLOWED}
by_kind = pytest.mark.parametrize("data", KINDS.values(), ids=KINDS.keys())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["octets", "whole"])
def test_an_odd_answer_is_passed_on_and_its_connection_closed(
    registry: Registry, sidecar: Sidecar, name: str, size: int
) -> None:
    data = KINDS[name]

    def odd(call: Call) -> None:
        for at in range(0, len(data), size):
            call.send(data[at : at + size])
        is_endless = data.endswith(b"\r\n0\r\n")  # which only the end of the connection ends
        call.keeps = ODD_ANSWERS[name].may_stay and not is_endless

    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=PATIENCE_SECONDS)
    for path in (WHEEL, PAGE):
        registry.on(path, odd)
        for _ in range(2):
            reply = ask(connection, "GET", path)
            assert (reply.status, reply.body) == (200, BODY)
    connection.close()
    assert len({one.connection for one in registry.requests}) == 4


@pytest.mark.parametrize("data", FOLLOWED.values(), ids=FOLLOWED.keys())
@pytest.mark.parametrize("path", [WHEEL, PAGE], ids=["file", "page"])
def test_what_follows_an_odd_answer_is_nobodys(
    registry: Registry, sidecar: Sidecar, data: bytes, path: str
) -> None:
    """With the bytes of another answer in the same packet, and the connection left open."""

    def poisons(call: Call) -> None:
        call.send(data + NEXT)
        call.wait_gone()

    registry.on(path, poisons)
    for _ in range(2):
        reply = sidecar.get(path)
        assert (reply.status, reply.body) == (200, BODY)
    registry.on(path, lambda call: call.reply(200, b"clean"))
    assert sidecar.get(path).body == b"clean"


@pytest.mark.parametrize("data", ALONE.values(), ids=ALONE.keys())
@pytest.mark.parametrize("path", [WHEEL, PAGE], ids=["file", "page"])
@pytest.mark.parametrize("more", [b"!", NEXT], ids=["a byte", "an answer"])
@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "late"])
def test_bytes_that_some_reader_takes_for_body_never_look_complete(
    registry: Registry, sidecar: Sidecar, data: bytes, path: str, more: bytes, is_late: bool
) -> None:
    """pip or uv reads the same answer to the end of its connection."""

    def goes_on(call: Call) -> None:
        call.send(data if is_late else data + more)
        if is_late:
            time.sleep(0.1)  # much less than the second for which the sidecar waits for more
            call.send(more)

    registry.on(path, goes_on)
    try:
        assert sidecar.get(path).status == 502
    except (http.client.HTTPException, OSError):
        sidecar.wait_line(status=200)
    registry.on(path, lambda call: call.send(data))
    assert sidecar.get(path).body == BODY


@pytest.mark.parametrize("fields", [b"Transfer-Encoding: identity\r\n", b"no colon\r\n"], ids=str)
def test_an_empty_body_behind_which_bytes_come_is_none(
    registry: Registry, sidecar: Sidecar, fields: bytes
) -> None:
    data = START + fields + b"Content-Length: 0\r\n\r\n"
    registry.on(PAGE, lambda call: call.send(data + b"more"))
    with pytest.raises((http.client.HTTPException, OSError, AssertionError)):
        assert sidecar.get(PAGE).status == 200
    registry.on(PAGE, lambda call: call.send(data))
    assert sidecar.get(PAGE).status == 200


@pytest.mark.parametrize(
    "start",
    [b"RTSP/1.0 200 OK", b"ICE/1.0 200 OK", b"HTTP/2.0 200 OK", b"HTTP/1.1 000 X", b"HTTP/1.1 099 X"],
    ids=str,
)
def test_a_status_line_that_pip_and_uv_refuse_is_502(
    registry: Registry, sidecar: Sidecar, start: bytes
) -> None:
    """llhttp takes them. 000 and 099 were skipped as interim answers, and the next answer served."""
    registry.on("*", lambda call: call.send(start + b"\r\nContent-Length: 0\r\n\r\n" + NEXT))
    for path in (PAGE, WHEEL):
        assert sidecar.get(path).status == 502


@by_kind
def test_the_head_of_an_odd_answer_is_passed_on(registry: Registry, sidecar: Sidecar, data: bytes) -> None:
    end = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
    registry.on("*", lambda call: call.send(data.partition(end)[0] + end))
    for path in (WHEEL, PAGE):
        reply = sidecar.ask("HEAD", path)
        assert (reply.status, reply.body) == (200, b"")
        assert reply.header("content-type") == "text/html"


@by_kind
@pytest.mark.parametrize("status", [b"404", b"500"])
def test_the_status_of_an_odd_error_is_passed_on(
    registry: Registry, sidecar: Sidecar, data: bytes, status: bytes
) -> None:
    registry.on("*", lambda call: call.send(data.replace(b" 200 ", b" %b " % status, 1)))
    for path in (WHEEL, PAGE):
        reply = sidecar.get(path)
        assert (reply.status, reply.body) == (int(status), b"the registry answers %b\n" % status)


@by_kind
def test_an_odd_redirect_is_followed(registry: Registry, sidecar: Sidecar, data: bytes) -> None:
    moved = data.replace(b" 200 ", b" 302 ", 1).replace(
        b"Content-Type", b"Location: /files/there-1.0.zip\r\nA", 1
    )
    registry.on(WHEEL, lambda call: call.send(moved))
    registry.on("/files/there-1.0.zip", lambda call: call.reply(200, b"there"))
    assert sidecar.get(WHEEL).body == b"there"


@by_kind
def test_an_odd_refusal_of_the_credential_is_one(registry: Registry, sidecar: Sidecar, data: bytes) -> None:
    registry.on("*", lambda call: call.send(data.replace(b" 200 ", b" 401 ", 1)))
    assert sidecar.get(WHEEL).status == 403
    sidecar.wait_line(reason="credential-refused")


@pytest.mark.parametrize("path", [WHEEL, PAGE], ids=["file", "page"])
def test_a_body_whose_last_line_is_missing_is_whole_with_its_last_chunk(
    registry: Registry, sidecar: Sidecar, path: str
) -> None:
    """pip takes it. Before the last chunk the end of the connection is a break, as it was."""
    for end, is_whole in ((b"0\r\n", True), (b"0\r\nX: y\r\n", True), (b"0", False), (b"", False)):
        registry.on(path, lambda call, end=end: call.send(chunks(end)))
        try:
            reply = sidecar.get(path)
            assert is_whole == (reply.status == 200)
            assert reply.body == BODY or not is_whole
        except (http.client.HTTPException, OSError):
            assert not is_whole


def test_interim_answers_may_be_odd_too_and_spoil_the_connection(
    registry: Registry, sidecar: Sidecar
) -> None:
    def script(call: Call) -> None:
        call.send(b"HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\r\nno colon\r\n\r\n")
        call.reply(200, b"final")

    registry.on(WHEEL, script)
    for _ in range(2):
        assert sidecar.get(WHEEL).body == b"final"
    assert registry.connections == 2


def test_a_plain_answer_keeps_its_connection(registry: Registry, sidecar: Sidecar) -> None:
    """The detector of this file can say no."""

    def script(call: Call) -> None:
        call.send(chunks(END))
        call.keeps = True

    registry.on(PAGE, script)
    for _ in range(3):
        assert sidecar.get(PAGE).body == BODY
    assert registry.connections == 1


@pytest.mark.parametrize("path", [WHEEL, PAGE], ids=["file", "page"])
@pytest.mark.parametrize("length", [len(BODY) - 1, len(BODY) + 1, len(BODY) + 11, 0])
def test_a_length_beside_chunks_that_is_another_never_looks_complete(
    registry: Registry, sidecar: Sidecar, path: str, length: int
) -> None:
    """By the length it is another body than by the chunks."""
    data = chunks(END).replace(CHUNKED, CHUNKED + b"Content-Length: %d\r\n" % length)
    registry.on(path, lambda call: call.send(data))
    try:
        assert sidecar.get(path).status == 502
    except (http.client.HTTPException, OSError):
        sidecar.wait_line(detail="the registry's answer has two lengths")


@pytest.mark.parametrize("token", [*TOKENS, "identity"])
def test_a_token_that_names_no_coding_changes_no_byte(
    registry: Registry, sidecar: Sidecar, token: str
) -> None:
    """A page loses it, for it is decoded here. A file keeps it, as everything of a file."""
    registry.on(
        "*", lambda call: call.reply(200, BODY, {"Content-Type": "text/html", "Content-Encoding": token})
    )
    for method in ("GET", "HEAD"):
        page, file = sidecar.ask(method, PAGE), sidecar.ask(method, WHEEL)
        body = BODY if method == "GET" else b""
        assert (page.status, page.body, page.header("content-encoding")) == (200, body, None)
        assert (file.status, file.body, file.header("content-encoding")) == (200, body, token)


@pytest.mark.parametrize(
    "values", [["aws-chunked, gzip"], ["gzip, identity"], ["aws-chunked", "gzip"], ["gzip", "none"]], ids=str
)
def test_the_one_coding_among_tokens_is_decoded(
    registry: Registry, sidecar: Sidecar, values: list[str]
) -> None:
    headers = [("Content-Type", "text/html"), *[("Content-Encoding", value) for value in values]]
    registry.on(PAGE, lambda call: call.reply(200, gzipped(BODY), headers))
    reply = sidecar.get(PAGE)
    assert (reply.body, reply.header("content-encoding")) == (BODY, None)


@pytest.mark.parametrize(
    "values",
    [
        ["br"],
        ["zstd"],
        ["deflate"],
        ["compress"],
        ["lzma"],
        ["none", "br"],
        ["aws-chunked, zstd"],
        ["gzip, gzip"],
        ["gzip", "br"],
    ],
    ids=str,
)
def test_a_coding_that_was_not_asked_for_is_refused_and_named(
    registry: Registry, sidecar: Sidecar, values: list[str]
) -> None:
    """Links in it could not be led back here."""
    headers = [("Content-Type", "text/html"), *[("Content-Encoding", value) for value in values]]
    registry.on("*", lambda call: call.reply(200, BODY, headers))
    reply = sidecar.get(PAGE)
    assert reply.status == 502
    assert "coding that was not asked for: " + values[-1].removeprefix("aws-chunked, ") in reply.reason or (
        "gzip, br" in reply.reason
    )
    assert sidecar.get(WHEEL).body == BODY  # the client's business, as without us

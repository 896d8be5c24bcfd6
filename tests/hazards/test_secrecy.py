"""The credential never comes back: not in a log, not in an answer, not through a registry's echo.

Every sidecar of these tests runs at debug level, and every response and log line is searched for the canary
(`support/sidecars/running.py`). These cases try hardest, and prove that the search finds something.
"""

import gzip
import json
from base64 import b64encode
from html import escape
from pathlib import Path
from urllib.parse import quote

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from support.servers.registry import Call, Registry, gzipped
from support.sidecars.forms import FORM, TYPE
from support.sidecars.running import (
    AUTHORIZATION,
    PASSWORD,
    Sidecar,
    grant,
    holds_credential,
    running_sidecar,
)

WHEEL = "/files/foo-1.0-py3-none-any.whl"
SPELLINGS = {
    "plain": PASSWORD,
    "the whole header": f"Authorization: {AUTHORIZATION}",
    "escaped for HTML": escape(PASSWORD),
    "percent-encoded": quote(PASSWORD),
    "escaped for JSON": json.dumps({"password": PASSWORD}),
}


@pytest.mark.parametrize("status", [400, 403, 404, 407, 500, 504])
@pytest.mark.parametrize("echo", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_an_error_that_repeats_the_credential_is_hidden(
    registry: Registry, sidecar: Sidecar, echo: str, status: int
) -> None:
    for is_packed in (False, True):

        def script(call: Call, is_packed: bool = is_packed) -> None:
            body = f"<p>You sent {echo}, which is wrong</p>".encode()
            headers = {"Content-Encoding": "gzip"} if is_packed else {}
            call.reply(status, gzipped(body) if is_packed else body, headers)

        registry.on("*", script)
        for method, path in (("GET", WHEEL), ("GET", "/simple/foo/"), ("POST", "/")):
            headers = {"Accept-Encoding": "gzip", "Content-Type": TYPE}
            reply = sidecar.ask(method, path, headers, FORM if method == "POST" else None)
            body = gzip.decompress(reply.body) if reply.body.startswith(b"\x1f\x8b") else reply.body
            assert echo.encode() not in body
            assert echo not in str(reply.headers)


def test_headers_and_reason_phrases_that_repeat_the_credential_are_hidden(
    registry: Registry, sidecar: Sidecar
) -> None:
    def script(call: Call) -> None:
        call.read_body()
        call.send(
            f"HTTP/1.1 500 {AUTHORIZATION}\r\nX-Echo: {AUTHORIZATION}\r\nX-Other: {PASSWORD}\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )

    registry.on("*", script)
    assert sidecar.get(WHEEL).status == 500  # `get` looks for the canary
    assert sidecar.upload(b"x").status == 500


ASKED = (("GET", WHEEL), ("HEAD", WHEEL), ("GET", "/simple/foo/"), ("POST", "/"))
HEADERS = ("X-Echo", "Warning", "ETag", "Content-Disposition", "Content-Type", "Vary", "X-Request-Id")


@pytest.mark.parametrize("echo", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("status", [200, 201, 203, 206, 300, 304, 404])
def test_no_header_repeats_the_credential_whatever_the_status(
    registry: Registry, sidecar: Sidecar, status: int, echo: str
) -> None:
    fields = "".join(f"{name}: 1 {echo}\r\n" for name in HEADERS)

    def script(call: Call) -> None:
        call.read_body()
        call.send(f"HTTP/1.1 {status} {echo}\r\n{fields}X-Kept: 1\r\nContent-Length: 0\r\n\r\n".encode())

    registry.on("*", script)
    for method, path in ASKED[: 3 if status in (300, 304) else 4]:  # an upload is never redirected
        reply = sidecar.ask(method, path, {"Content-Type": TYPE}, FORM if method == "POST" else None)
        is_shown = status < 400 or method == "POST"
        assert (reply.status, reply.header("x-kept")) == (status, "1" if is_shown else None)
        assert echo not in f"{reply.reason} {reply.headers}"


@pytest.mark.parametrize("name", ["Location", "Content-Location", "Link", "Refresh"])
@pytest.mark.parametrize("status", [200, 201, 203, 206, 304])
def test_no_success_names_the_storage_address(
    registry: Registry, sidecar: Sidecar, status: int, name: str
) -> None:
    """A signed address is a credential, and leads past the proxy."""
    to = "https://storage.example/signed?key=of-the-storage"
    registry.on("*", lambda call: call.reply(status, b"", {name: to}))
    for method, path in ASKED[: 3 if status == 304 else 4]:
        reply = sidecar.ask(method, path, {"Content-Type": TYPE}, FORM if method == "POST" else None)
        assert (reply.status, "of-the-storage" in str(reply.headers)) == (status, False)


@pytest.mark.parametrize("password", ["json", "gzip", "bytes", "text", "0-4", "utf-8", "1"])
def test_a_password_that_is_a_word_of_http_breaks_no_answer(
    registry: Registry, tmp_path: Path, password: str
) -> None:
    """What a client needs to read the body says nothing that is not public."""
    told = {
        "Content-Type": "application/vnd.pypi.simple.v1+json; charset=utf-8",
        "Content-Encoding": "gzip",
        "Content-Range": "bytes 0-4/1104",
    }
    registry.on(WHEEL, lambda call: call.reply(206, b"12345", told))
    credential = Credential("robot", Secret(password))
    with running_sidecar(tmp_path, grant(registry, credential=credential)) as sidecar:
        reply = sidecar.get(WHEEL, Range="bytes=0-4", Accept_Encoding="gzip")
    assert {name: reply.header(name.lower()) for name in told} == told


def echo_everything(call: Call, status: int) -> None:
    """As a registry's error page may: phrase, header and body quote the whole request."""
    said = f"{call.request.target} {call.request.header('user-agent')} {call.request.header('range')}"
    call.send(
        f"HTTP/1.1 {status} no {said}\r\nX-Echo: {said}\r\nWarning: {said}\r\nRetry-After: 7\r\n"
        f"Content-Type: text/x-{quote(said, '')}\r\nContent-Length: {len(said)}\r\n\r\n{said}".encode()
    )


@pytest.mark.parametrize("status", [400, 404, 405, 406, 407, 416, 429, 500, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_error_does_not_tell_whether_a_guess_in_the_request_is_right(
    registry: Registry, sidecar: Sidecar, method: str, status: int
) -> None:
    """Were an answer hidden because it holds the credential, each request would tell about a guess, or a
    thousand. So it must be equal whatever the request holds."""
    registry.on("*", lambda call: echo_everything(call, status))

    def asked(guess: str) -> set[str]:
        query, plain = quote(guess, ""), {"User-Agent": "pip"}
        replies = [
            sidecar.ask(method, f"{WHEEL}?x={query}", plain),
            sidecar.ask(method, f"/simple/foo/?x={query}", plain),
            sidecar.ask(method, f"/{query}/foo-1.0-py3-none-any.whl", plain),
            sidecar.ask(method, WHEEL, {"User-Agent": guess}),
            sidecar.ask(
                method, "/simple/foo/", {"User-Agent": AUTHORIZATION if guess == PASSWORD else guess}
            ),
            sidecar.ask(method, WHEEL, {"Range": f"bytes=0-4, {guess}"}),
        ]
        assert {one.status for one in replies} == {{407: 502, 504: 503}.get(status, status)}
        assert {one.header("retry-after") for one in replies} == {"7"}
        return {f"{one.reason} {one.headers} {one.body!r}" for one in replies}

    assert len(asked(PASSWORD) | asked("canary-Pa55&worm")) == 1


def test_an_error_says_whose_it_is(registry: Registry, sidecar: Sidecar) -> None:
    registry.on(WHEEL, lambda call: call.reply(404, b"there is no foo here", {"X-Reason": "gone"}))
    reply = sidecar.get(WHEEL)
    assert (reply.status, reply.header("x-reason")) == (404, None)
    assert (reply.reason, reply.body) == ("the registry answers 404", b"the registry answers 404\n")


def test_an_error_whose_page_stalls_is_answered_at_once(registry: Registry, sidecar: Sidecar) -> None:
    def script(call: Call) -> None:
        call.start(404, {"Content-Length": "100000"})
        call.wait_gone()

    registry.on(WHEEL, script)
    assert sidecar.get(WHEEL).body == b"the registry answers 404\n"


def test_an_error_about_an_upload_is_shown_where_it_repeats_nothing(
    registry: Registry, sidecar: Sidecar
) -> None:
    registry.on("*", lambda call: call.reply(400, b"the file exists", {"X-Reason": "gone"}))
    reply = sidecar.upload(b"x")
    assert (reply.status, reply.body, reply.header("x-reason")) == (400, b"the file exists", "gone")


def test_a_redirect_that_repeats_the_credential_is_not_quoted(registry: Registry, sidecar: Sidecar) -> None:
    to = f"https://robot:{PASSWORD}@evil.example/"
    registry.on("*", lambda call: call.reply(302, b"", {"Location": to}))
    assert sidecar.upload(b"x").status == 502
    assert sidecar.get("/simple/foo/").status == 404


def test_a_huge_error_is_cut_and_not_gathered(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(500, b"x" * 10_000_000))
    assert len(sidecar.get(WHEEL).body) < 100
    reply = sidecar.upload(b"x")
    assert (reply.status, len(reply.body)) == (500, 64 * 1024)


def test_nothing_of_a_request_but_its_line_is_logged(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(200, b"body-of-the-registry"))
    headers = {"X-Secret": "of-the-header", "Authorization": "of-the-client"}
    sidecar.ask("GET", WHEEL + "?token=of-the-query", headers)
    sidecar.upload(b"of-the-body")
    sidecar.wait_line(message="request", action="upload", status=200)
    text = json.dumps(sidecar.lines)
    for canary in ("of-the-query", "of-the-header", "of-the-client", "of-the-body", "body-of-the-registry"):
        assert canary not in text


def test_each_request_is_one_line(registry: Registry, sidecar: Sidecar) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"12345"))
    sidecar.get(WHEEL)
    line = sidecar.wait_line(message="request")
    assert {key: line[key] for key in line if key not in ("time", "ms")} == {
        "level": "info",
        "message": "request",
        "connector": "team/pypi",
        "method": "GET",
        "action": "file",
        "package": "foo",
        "file": "foo-1.0-py3-none-any.whl",
        "status": 200,
        "bytes": 5,
    }


def test_the_credential_is_in_no_file_argument_or_variable(
    registry: Registry, sidecar: Sidecar, tmp_path: Path
) -> None:
    registry.on("*", lambda call: call.reply(200, b"x"))
    sidecar.get(WHEEL)
    process = Path(f"/proc/{sidecar.process.pid}")
    for path in [process / "cmdline", process / "environ", *tmp_path.rglob("*")]:
        if path.is_file():
            assert not holds_credential(path.read_bytes().decode("latin-1"))


def test_a_document_that_is_none_ends_the_start_and_is_not_quoted(tmp_path: Path) -> None:
    document = json.dumps({"version": 1, "credential": {"username": "robot", "password": PASSWORD}})
    with pytest.raises(AssertionError, match="not of version 1"), running_sidecar(tmp_path, document):
        pass


def test_the_search_for_the_canary_finds_it(registry: Registry, sidecar: Sidecar, tmp_path: Path) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, PASSWORD.encode()))
    with pytest.raises(AssertionError):
        sidecar.get(WHEEL)
    registry.on(WHEEL, lambda call: call.reply(200, AUTHORIZATION.encode()))
    with pytest.raises(AssertionError):
        sidecar.get(WHEEL)
    assert holds_credential(b64encode(f"robot:{PASSWORD}".encode()).decode())
    sidecar.leaks += holds_credential(f'{{"detail": "{PASSWORD}"}}')
    assert sidecar.leaks == 1
    sidecar.leaks = 0

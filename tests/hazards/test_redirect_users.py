"""A user and password in a redirect: for that origin and that request alone, and shown to nobody."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.contract.words import Code
from support.certificates.authority import server_context
from support.machine.addresses import own_address
from support.servers.registry import Call, Registry, Script
from support.sidecars.running import AUTHORIZATION, PASSWORD, Sidecar, grant, running_sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"
TOKEN = "canary-t0ken"
WORDS = ("canary", "reader")
"""No log line and no answer has one of these"""


def with_user(user: str, url: str) -> str:
    return url.replace("://", f"://{user}@")


def redirects(to: str, status: int = 302) -> Script:
    return lambda call: call.reply(status, b"moved", {"Location": to})


def basic(pair: str) -> str:
    return "Basic " + b64encode(pair.encode()).decode()


@contextmanager
def declaring(registry: Registry, *others: Registry, folder: Path) -> Iterator[Sidecar]:
    """A sidecar whose answers and log are searched for what the redirects bring."""
    origins = tuple(other.origin for other in others)
    with running_sidecar(folder, grant(registry, file_origins=origins)) as sidecar:
        yield sidecar
    assert not any(word in str(line) for line in sidecar.lines for word in WORDS), sidecar.lines


@pytest.mark.parametrize(
    ("user", "pair"),
    [
        (f"reader:{TOKEN}", f"reader:{TOKEN}"),
        (TOKEN, f"{TOKEN}:"),
        (f"{TOKEN}:", f"{TOKEN}:"),
        (f":{TOKEN}", f":{TOKEN}"),
        ("reader%40corp:a%2Fb%3Ac%20d%25", "reader@corp:a/b:c d%"),
        ("reader:a:b@c", "reader:a:b@c"),
        ("reader:%C3%A9", "reader:é"),
    ],
)
@pytest.mark.parametrize("path", [WHEEL, PAGE])
def test_it_is_used_where_the_redirect_leads(
    registry: Registry, elsewhere: Registry, tmp_path: Path, path: str, user: str, pair: str
) -> None:
    registry.on(path, redirects(with_user(user, elsewhere.origin) + "/there/foo/"))
    elsewhere.on("/there/foo/", lambda call: call.reply(200, b"there"))
    with declaring(registry, elsewhere, folder=tmp_path) as sidecar:
        assert sidecar.get(path).body == b"there"
    (request,) = elsewhere.requests
    assert request.header("authorization") == basic(pair)
    assert request.header("host") == elsewhere.origin.removeprefix("https://")
    assert request.target == "/there/foo/"
    assert [one.header("authorization") for one in registry.requests] == [AUTHORIZATION]


@pytest.mark.parametrize("user", ["", ":"])
def test_an_empty_user_is_none(registry: Registry, elsewhere: Registry, tmp_path: Path, user: str) -> None:
    registry.on(WHEEL, redirects(with_user(user, elsewhere.origin) + "/there"))
    with declaring(registry, elsewhere, folder=tmp_path) as sidecar:
        sidecar.get(WHEEL)
    assert elsewhere.requests[0].header("authorization") is None


def test_the_next_request_takes_it_nowhere(registry: Registry, elsewhere: Registry, tmp_path: Path) -> None:
    """Neither to another path of the same origin, nor to a third one, nor back, nor to the next file."""
    user = f"reader:{TOKEN}"
    with Registry(server_context()) as third:
        registry.on(WHEEL, redirects(with_user(user, elsewhere.origin) + "/1"))
        elsewhere.on("/1", redirects("/2"))
        elsewhere.on("/2", redirects(f"{elsewhere.origin}/3"))
        elsewhere.on("/3", redirects(f"{third.origin}/4"))
        third.on("/4", redirects(f"{registry.origin}/files/foo-1.0.tar.gz"))
        registry.on("/files/foo-1.0.tar.gz", lambda call: call.reply(200, b"there"))
        elsewhere.on("/foo-2.0.tar.gz", lambda call: call.reply(200, b"next"))
        with declaring(registry, elsewhere, third, folder=tmp_path) as sidecar:
            assert sidecar.get(WHEEL).body == b"there"
            host = elsewhere.origin.removeprefix("https://")
            assert sidecar.get(f"/_o/{host}/foo-2.0.tar.gz").body == b"next"
        sent = [one.header("authorization") for one in elsewhere.requests]
        assert sent == [basic(user), None, None, None]
        assert [one.header("authorization") for one in third.requests] == [None]
        assert [one.header("authorization") for one in registry.requests] == [AUTHORIZATION] * 2


def test_a_second_redirect_may_bring_its_own(registry: Registry, elsewhere: Registry, tmp_path: Path) -> None:
    registry.on(WHEEL, redirects(with_user("reader:canary-1", elsewhere.origin) + "/1"))
    elsewhere.on("/1", redirects(with_user("reader:canary-2", elsewhere.origin) + "/2"))
    elsewhere.on("/2", lambda call: call.reply(200, b"there"))
    with declaring(registry, elsewhere, folder=tmp_path) as sidecar:
        assert sidecar.get(WHEEL).body == b"there"
    sent = [one.header("authorization") for one in elsewhere.requests]
    assert sent == [basic("reader:canary-1"), basic("reader:canary-2")]


def test_an_origin_that_nobody_declared_gets_it_too(registry: Registry, tmp_path: Path) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    user = f"reader:{TOKEN}"
    with Registry(server_context((address,)), address) as storage:
        storage.on("/blob", lambda call: call.reply(200, b"wheel"))
        registry.on(WHEEL, redirects(with_user(user, storage.origin) + "/blob"))
        with declaring(registry, folder=tmp_path) as sidecar:
            assert sidecar.get(WHEEL).body == b"wheel"
        assert [one.header("authorization") for one in storage.requests] == [basic(user)]


def test_the_registrys_own_origin_gets_the_connectors_credential(registry: Registry, tmp_path: Path) -> None:
    to = with_user(f"reader:{TOKEN}", registry.origin) + "/files/foo-1.0.zip"
    registry.on(WHEEL, redirects(to))
    registry.on("/files/foo-1.0.zip", lambda call: call.reply(200, b"there"))
    with declaring(registry, folder=tmp_path) as sidecar:
        assert sidecar.get(WHEEL).body == b"there"
    assert registry.requests[-1].header("authorization") == AUTHORIZATION


def test_the_registrys_api_gets_neither_credential(registry: Registry, tmp_path: Path) -> None:
    registry.on(WHEEL, redirects(with_user(f"reader:{TOKEN}", registry.origin) + "/service/rest/v1/users"))
    registry.on("/service/rest/v1/users", lambda call: call.reply(401, b"who are you"))
    with declaring(registry, folder=tmp_path) as sidecar:
        assert sidecar.get(WHEEL).status == 403
    assert [one.header("authorization") for one in registry.requests] == [AUTHORIZATION, None]


def test_without_a_credential_of_the_connector_the_registry_gets_its_own(
    registry: Registry, tmp_path: Path
) -> None:
    to = with_user(f"reader:{TOKEN}", registry.origin) + "/files/foo-1.0.zip"
    registry.on(WHEEL, redirects(to))
    registry.on("/files/foo-1.0.zip", lambda call: call.reply(200, b"there"))
    with running_sidecar(tmp_path, grant(registry, credential=None)) as sidecar:
        assert sidecar.get(WHEEL).body == b"there"
    assert [one.header("authorization") for one in registry.requests] == [None, basic(f"reader:{TOKEN}")]


@pytest.mark.parametrize("password", [TOKEN, PASSWORD], ids=["another", "the Connector's"])
def test_no_answer_repeats_it(registry: Registry, elsewhere: Registry, tmp_path: Path, password: str) -> None:
    """The registry chose to pass on the Connector's own password, if it is that one."""
    quoted = password.replace("&", "%26")
    registry.on("*", redirects(with_user(f"reader:{quoted}", elsewhere.origin) + "/there/"))

    def echo(call: Call) -> None:
        sent = call.request.header("authorization") or ""
        headers = {"X-Sent": sent, "X-Password": password, "X-Quoted": quoted, "X-Else": "fine"}
        call.reply(200, b'<a href="../a-1.zip">', {"Content-Type": "text/html", **headers})

    elsewhere.on("/there/", echo)
    host = elsewhere.origin.removeprefix("https://")
    with declaring(registry, elsewhere, folder=tmp_path) as sidecar:
        for path in (WHEEL, PAGE):
            reply = sidecar.get(path)
            assert reply.status == 200
            assert not any(word in str(reply) for word in (TOKEN, quoted, basic(f"reader:{password}")[6:]))
            assert reply.header("x-else") == "fine"
        assert reply.body == f'<a href="/_o/{host}/a-1.zip">'.encode()
    assert {one.header("authorization") for one in elsewhere.requests} == {basic(f"reader:{password}")}


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", [WHEEL, WHEEL + ".metadata", PAGE])
@pytest.mark.parametrize("user", [f"reader:{TOKEN}", None], ids=["with a user", "without"])
def test_the_refusal_of_another_origin_names_it(
    registry: Registry, elsewhere: Registry, tmp_path: Path, path: str, status: int, user: str | None
) -> None:
    to = with_user(user, elsewhere.origin) if user else elsewhere.origin
    registry.on(path, redirects(f"{to}/there/"))
    challenge = {"WWW-Authenticate": f'Basic realm="{TOKEN}"'}
    elsewhere.on("/there/", lambda call: call.reply(status, f"no, {user}".encode(), challenge))
    with declaring(registry, elsewhere, folder=tmp_path) as sidecar:
        for method in ("GET", "HEAD"):
            reply = sidecar.ask(method, path)
            assert reply.status == 403
            assert f"{elsewhere.origin} answers {status}" in reply.reason
            assert ("user and password of the link or redirect" in reply.reason) is (user is not None)
            assert not any(word in f"{reply}{reply.body!r}" for word in WORDS)
            line = sidecar.wait_line(message="request", method=method)
            assert (line["reason"], line["detail"]) == (Code.STORAGE_REFUSES, reply.reason)
        registry.on("*", lambda call: call.reply(200, b"x"))
        assert sidecar.get("/files/bar-1.0.zip").status == 200  # it cost the credential nothing


def test_a_file_of_a_declared_origin_that_refuses_names_it(
    registry: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    elsewhere.on("*", lambda call: call.reply(401, b"no"))
    with declaring(registry, elsewhere, folder=tmp_path) as sidecar:
        reply = sidecar.get(f"/_o/{elsewhere.origin.removeprefix('https://')}{WHEEL}")
        assert reply.status == 403
        assert f"{elsewhere.origin} answers 401" in reply.reason
        assert sidecar.wait_line(message="request")["reason"] == Code.STORAGE_REFUSES


def test_no_refused_redirect_shows_it(registry: Registry, tmp_path: Path) -> None:
    """To an undeclared origin, into the node, to http, to what is no address, in a circle, of an upload."""
    user = f"reader:{TOKEN}"
    with Registry() as plain:
        for path, to, status in (
            (PAGE, f"https://{user}@pypi.example/simple/foo/", 404),
            (PAGE, f"http://{user}@pypi.example/simple/foo/", 404),
            (WHEEL, f"https://{user}@127.0.0.1:1/foo", 502),
            (WHEEL, f"https://{user}@169.254.169.254/foo", 502),
            (WHEEL, with_user(user, plain.origin), 502),
            (WHEEL, f"https://{user}@[broken/foo", 502),
            (WHEEL, f"https://{user}@host.example:port/foo", 502),
            (WHEEL, f"ftp://{user}@host.example/foo", 502),
            (WHEEL, f"https://{user}@no-such-host.invalid/foo", 502),
            (WHEEL, with_user(user, registry.origin) + WHEEL, 502),
            ("/upload/", f"https://{user}@other.example/upload/?x={TOKEN}#{TOKEN}", 502),
            ("/upload/", f"//{user}@other.example/upload/", 502),
            ("/upload/", with_user(user, plain.origin) + "/upload/", 502),
        ):
            registry.on(path, redirects(to))
            with declaring(registry, folder=tmp_path) as sidecar:
                reply = sidecar.upload(b"x") if path == "/upload/" else sidecar.get(path)
                assert reply.status == status, to
                assert not any(word in f"{reply}{reply.body!r}" for word in WORDS), to
                assert sidecar.wait_line(message="request")["detail"] == reply.reason
        assert plain.connections == 0


def test_a_page_shows_no_link_with_the_connectors_credential(registry: Registry, sidecar: Sidecar) -> None:
    quoted = PASSWORD.replace("&", "%26")
    registry.page(PAGE, f'<a href="https://robot:{quoted}@files.example/foo-1.0.zip">'.encode())
    assert sidecar.get(PAGE).body == b'<a href="https://files.example/foo-1.0.zip">'
    registry.page(PAGE, f'<a href="{with_user("robot:" + quoted, registry.origin)}/foo-1.0.zip">'.encode())
    assert sidecar.get(PAGE).body == b'<a href="/foo-1.0.zip">'

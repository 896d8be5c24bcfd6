"""A user and password in a link: for that file alone, and shown to nobody."""

from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from support.servers.registry import Registry
from support.sidecars.running import AUTHORIZATION, PASSWORD, grant, running_sidecar

PAGE = "/simple/foo/"
FILE = "/store/foo-1.0-py3-none-any.whl"
USER = "reader:canary-of%2Fa%20link"
SENT = "Basic " + b64encode(b"reader:canary-of/a link").decode()


def html(*links: str) -> bytes:
    return "\n".join(f'<a href="{link}">x</a>' for link in links).encode()


def json(*links: str) -> bytes:
    return ('{"files":[' + ",".join(f'{{"url": "{link}"}}' for link in links) + "]}").encode()


FORMS = {
    "html": (html, "text/html"),
    "json": (json, "application/vnd.pypi.simple.v1+json"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scheme", ["https:", "http:", ""])
def test_a_file_of_a_declared_origin_is_asked_for_with_the_user_of_its_link(
    registry: Registry, elsewhere: Registry, tmp_path: Path, form: str, scheme: str
) -> None:
    written, kind = FORMS[form]
    host = elsewhere.origin.removeprefix("https://")
    others = [f"{scheme}//{host}/store/foo-{number}.zip" for number in range(3)]
    page = written(others[0], f"{scheme}//{USER}@{host}{FILE}#sha256=ab", *others[1:])
    registry.page(PAGE, page, kind)
    elsewhere.on(
        "*", lambda call: call.reply(200, b"wheel", {"X-Sent": call.request.header("authorization") or "-"})
    )
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        before = sidecar.get(f"/_o/{host}{FILE}")
        shown = sidecar.get(PAGE).body.decode()
        assert f"/_o/{host}{FILE}#sha256=ab" in shown
        assert "reader" not in shown
        after = [sidecar.get(f"/_o/{host}{path}") for path in (FILE, FILE + ".metadata", "/store/foo-0.zip")]
        assert {reply.status for reply in (before, *after)} == {200}
        assert "canary" not in f"{after}{sidecar.lines}"
        assert [reply.header("x-sent") for reply in after] == [None, None, "-"]
    sent = [one.header("authorization") for one in elsewhere.requests]
    assert sent == [None, SENT, SENT, None]


def test_a_redirect_does_not_take_it_along(registry: Registry, elsewhere: Registry, tmp_path: Path) -> None:
    host = elsewhere.origin.removeprefix("https://")
    registry.page(PAGE, html(f"https://{USER}@{host}{FILE}"))
    elsewhere.on(FILE, lambda call: call.reply(302, b"", {"Location": "/there"}))
    elsewhere.on("/there", lambda call: call.reply(401, b"no"))
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        sidecar.get(PAGE)
        reply = sidecar.get(f"/_o/{host}{FILE}")
        assert reply.status == 403
        assert f"{elsewhere.origin} answers 401; " in reply.reason
    assert [one.header("authorization") for one in elsewhere.requests] == [SENT, None]


def test_the_registrys_own_files_get_the_connectors_credential(registry: Registry, tmp_path: Path) -> None:
    registry.page(PAGE, html(registry.origin.replace("://", f"://{USER}@") + FILE))
    registry.on(FILE, lambda call: call.reply(200, b"wheel"))
    with running_sidecar(tmp_path, grant(registry)) as sidecar:
        sidecar.get(PAGE)
        assert sidecar.get(FILE).body == b"wheel"
    assert {one.header("authorization") for one in registry.requests} == {AUTHORIZATION}


def test_an_anonymous_connector_lets_the_registry_name_a_user_for_its_own_files(
    registry: Registry, tmp_path: Path
) -> None:
    registry.page(PAGE, html(registry.origin.replace("://", f"://{USER}@") + FILE))
    registry.on("*", lambda call: call.reply(200, b"wheel"))
    with running_sidecar(tmp_path, grant(registry, credential=None)) as sidecar:
        sidecar.get(PAGE)
        assert sidecar.get(FILE).body == b"wheel"
        assert sidecar.get("/store/foo-2.0.zip").body == b"wheel"
    assert [one.header("authorization") for one in registry.requests] == [None, SENT, None]


def test_a_user_that_is_the_connectors_credential_reaches_its_file_and_no_client(
    registry: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    """The registry chose to pass it on. The canary is searched for in each answer and line."""
    host = elsewhere.origin.removeprefix("https://")
    registry.page(PAGE, html(f"https://robot:{quote(PASSWORD)}@{host}{FILE}"))
    elsewhere.on("*", lambda call: call.reply(200, b"wheel"))
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        assert quote(PASSWORD) not in str(sidecar.get(PAGE).body)
        sidecar.get(f"/_o/{host}{FILE}")
    assert [one.header("authorization") for one in elsewhere.requests] == [AUTHORIZATION]


def test_a_refusal_of_the_user_of_a_link_names_the_origin(
    registry: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    host = elsewhere.origin.removeprefix("https://")
    registry.page(PAGE, html(f"https://{USER}@{host}{FILE}"))
    elsewhere.on("*", lambda call: call.reply(401, b"no"))
    with running_sidecar(tmp_path, grant(registry, file_origins=(elsewhere.origin,))) as sidecar:
        sidecar.get(PAGE)
        reply = sidecar.get(f"/_o/{host}{FILE}")
        assert f"{elsewhere.origin} answers 401 to the user and password of the" in reply.reason
        assert "canary" not in f"{reply}{sidecar.lines}"

"""The rules of docs/registries.md that no single kind of registry shows, each by its number."""

import json
from pathlib import Path
from threading import Thread

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from support.certificates.authority import server_context
from support.registries.kinds import PROJECT, WHEEL, files, kinds
from support.registries.registry_kinds import SIMPLE, Scene, running_kind
from support.servers.registry import Call, Registry
from support.sidecars.grant_servers import Broker
from support.sidecars.running import Reply, grant, sidecar_of_broker

PAGE = f"{SIMPLE}{PROJECT}/"
JSON = "application/vnd.pypi.simple.v1+json"
ACCEPT_OF_UV = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

PYPI = pytest.mark.parametrize("name", ["pypi"])
NEXUS = pytest.mark.parametrize("name", ["nexus"])


def file_path(scene: Scene) -> str:
    """Of the wheel, as the page of pypi's kind gives it."""
    host = scene.origins["files"].origin.removeprefix("https://")
    return f"/_o/{host}/packages/5e/61/d3/{WHEEL}"


def ask(scene: Scene, target: str, **headers: str) -> Reply:
    return scene.sidecar.get(target, **headers)


@PYPI
def test_links_follow_the_base_of_their_page(scene: Scene) -> None:
    """Rule 1: relative links are resolved where the page was found, and against its own base."""
    registry = scene.origins["registry"]
    page = f'<base href="{registry.origin}/packages/ab/"><a href="foo-1.0.tar.gz">'
    registry.page("/simple/based/", page.encode())
    led_back = f'<base href="{scene.local}/packages/ab/"><a href="foo-1.0.tar.gz">'
    assert scene.get("/simple/based/").body == led_back.encode()  # absolute: pip takes a base as it stands
    registry.on("/simple/moved/", lambda call: call.reply(301, b"", {"Location": "/elsewhere/moved/"}))
    registry.page("/elsewhere/moved/", b'<a href="../foo-1.0.tar.gz">')
    assert scene.get("/simple/moved/").body == b'<a href="/elsewhere/foo-1.0.tar.gz">'


@PYPI
def test_a_link_to_an_origin_that_nobody_declared_stays_as_it_is(scene: Scene) -> None:
    """Rule 3."""
    page = b'<a href="https://elsewhere.invalid/foo-1.0.tar.gz">'
    scene.origins["registry"].page("/simple/foreign/", page)
    assert scene.get("/simple/foreign/").body == page
    assert scene.get("/_o/elsewhere.invalid/foo-1.0.tar.gz").status == 404


@PYPI
def test_where_a_page_says_that_provenance_is_there_it_is(scene: Scene) -> None:
    """Rule 3: PEP 740 leaves the address to the registry, and pypi.org's is none of a file's."""
    (wheel, _) = json.loads(scene.get(PAGE, JSON).body)["files"]
    assert wheel["provenance"].startswith(f"{scene.local}/")
    assert scene.get(wheel["provenance"].removeprefix(scene.local)).body == b'{"version": 1}'


@PYPI
def test_the_client_and_the_registry_agree_on_a_type_by_themselves(scene: Scene) -> None:
    """Rule 5: Accept is passed on unchanged, Content-Type and Vary come back; Artifactory's 406 too."""
    for accept, kind in ((ACCEPT_OF_UV, JSON), ("text/html", "text/html; charset=utf-8")):
        reply = scene.get(PAGE, accept)
        assert (reply.header("content-type"), reply.header("vary")) == (kind, "Accept")
        assert scene.origins["registry"].requests[-1].header("accept") == accept


@pytest.mark.parametrize("name", ["artifactory"])
def test_a_refusal_of_a_type_is_passed_on(scene: Scene) -> None:
    """Rule 5."""
    assert scene.get(PAGE, JSON).status == 406
    assert scene.get(PAGE, ACCEPT_OF_UV).status == 200


@PYPI
def test_pages_are_asked_for_in_gzip_and_files_as_the_client_asks(scene: Scene) -> None:
    """Rule 6."""
    ask(scene, PAGE, Accept_Encoding="br, zstd")
    assert scene.origins["registry"].requests[-1].header("accept-encoding") == "gzip"
    for coding in ("identity", "br"):
        ask(scene, file_path(scene), Accept_Encoding=coding)
        assert scene.origins["files"].requests[-1].header("accept-encoding") == coding
    ask(scene, file_path(scene))
    assert scene.origins["files"].requests[-1].header("accept-encoding") == "identity"


@PYPI
def test_a_page_that_has_not_changed_is_not_sent_again(scene: Scene) -> None:
    """Rule 7: the validator is the registry's, marked, for the same page is always rewritten alike."""
    etag = ask(scene, PAGE).header("etag")
    assert etag is not None
    assert ask(scene, PAGE).header("cache-control") == "max-age=600, public"
    reply = ask(scene, PAGE, If_None_Match=etag)
    assert (reply.status, reply.body, reply.header("etag")) == (304, b"", etag)


@PYPI
def test_a_part_of_a_file_is_that_part(scene: Scene) -> None:
    """Rule 8: as pip resumes, and as uv reads the metadata at a wheel's end."""
    wheel = files()[WHEEL]
    for wanted, part in (("bytes=100-199", wheel[100:200]), ("bytes=-500", wheel[-500:])):
        reply = ask(scene, file_path(scene), Range=wanted)
        assert (reply.status, reply.body) == (206, part)
        assert (reply.header("content-range") or "").endswith(f"/{len(wheel)}")


@NEXUS
def test_an_upload_is_never_redirected(scene: Scene) -> None:
    """Rule 9: with and without the slash it arrives, and no redirect is ever the answer."""
    for path in ("/", "/legacy", "/legacy/"):
        assert scene.sidecar.upload(b"x", target=path).status == 400  # the registry's own: it wants a digest
    registry = scene.origins["registry"]
    elsewhere = {"Location": f"{registry.origin}/repository/other/"}
    registry.on("/repository/team/", lambda call: call.reply(307, b"", elsewhere))
    assert scene.sidecar.upload(b"x").status == 502
    registry.on("/repository/team/", None)


@NEXUS
def test_sessions_and_challenges_end_at_the_proxy(scene: Scene) -> None:
    """Rule 10: a cookie of Nexus is a credential, and what a client sends of its own may be one."""
    own = {"Cookie": "a=b", "X_JFrog_Art_Api": "own", "PRIVATE_TOKEN": "own", "X_Forwarded_For": "own"}
    reply = ask(scene, f"/repository{PAGE.replace('/simple', '/team/simple')}", Authorization="own", **own)
    assert (reply.status, reply.header("set-cookie")) == (200, None)
    request = scene.origins["registry"].requests[-1]
    assert request.header("authorization") == scene.authorization
    assert request.header("via") == "1.1 pypi-connector"
    assert "own" not in str(request.headers)
    assert request.header("cookie") is None


@pytest.mark.parametrize("name", ["gitlab", "azure"])
def test_a_refused_credential_is_403_and_never_401(name: str, tmp_path: Path) -> None:
    """Rule 11: a 401 makes pip ask for a password, which ends a Job with EOFError."""
    wrong = Credential(kinds()[name].username, Secret("not-the-password"))
    with running_kind(kinds()[name], tmp_path, credential=wrong) as scene:
        for target in (PAGE, f"/files/{WHEEL}"):
            reply = scene.get(target)
            assert (reply.status, reply.header("www-authenticate")) == (403, None)
            assert "refused the credential of connector team/pypi" in reply.reason


def test_without_a_grant_clients_are_asked_to_come_again(tmp_path: Path) -> None:
    """Rule 12: 503 with Retry-After, which installers and twine repeat; here while the broker is rolled."""

    def refuse(call: Call) -> None:
        call.reply(401)

    with Registry(server_context()) as registry:
        registry.on("*", refuse)
        with (
            Broker(grant(registry), (503, {"detail": "rolled"})) as broker,
            sidecar_of_broker(tmp_path, broker) as sidecar,
        ):
            for ask in (lambda: sidecar.get("/simple/foo/"), lambda: sidecar.upload(b"x")):
                reply = ask()
                assert (reply.status, reply.header("retry-after")) == (503, "5")


@pytest.mark.parametrize("name", ["codeartifact"])
def test_a_token_that_has_expired_is_renewed_and_no_client_notices(scene: Scene, tmp_path: Path) -> None:
    """Rule 11: tokens of CodeArtifact, Google and Entra expire; the Secret has been renewed by then."""
    today = scene.declaration.grant
    yesterday = today._replace(version="old", credential=Credential("aws", Secret("expired")))
    with Broker(yesterday, today) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        target = sidecar.get(PAGE).header("location") or PAGE
        assert [sidecar.get(target).status for _ in range(3)] == [200] * 3
        assert [one["rejected"] for one in broker.asked()] == [None, "old"]


@PYPI
@pytest.mark.parametrize(
    "target",
    [
        "/simple/../manage/account/",
        "/simple/%2e%2e/manage/",
        "/simple%2f..%2fmanage/",
        "//manage/account/",
        "http://pypi.org/simple/foo/",
        "/simple/foo/;x=/",
    ],
)
def test_no_spelling_of_a_path_leaves_the_index(scene: Scene, target: str) -> None:
    """Rule 13."""
    before = len(scene.origins["registry"].requests)
    assert ask(scene, target).status in (400, 421)
    assert len(scene.origins["registry"].requests) == before


@PYPI
def test_another_name_than_the_loopbacks_is_refused(scene: Scene) -> None:
    """Rule 14: a page of the web whose name resolves to 127.0.0.1 reaches nothing."""
    for host, status in (
        ("evil.example", b"421"),
        ("127.0.0.1.evil.example", b"421"),
        ("localhost:1", b"421"),
        (f"localhost:{scene.sidecar.port}", b"200"),
    ):
        request = f"GET {PAGE} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        assert scene.sidecar.exchange(request.encode()).split(b" ")[1] == status


@PYPI
def test_fifty_files_at_once_all_arrive(scene: Scene) -> None:
    """Rule 15: as many as uv opens."""
    found: list[bytes] = []
    work = [Thread(target=lambda: found.append(ask(scene, file_path(scene)).body)) for _ in range(50)]
    for one in work:
        one.start()
    for one in work:
        one.join()
    assert found == [files()[WHEEL]] * 50


@PYPI
def test_what_hatch_asks_of_devpi_is_answered_at_once(scene: Scene) -> None:
    """Rule 17: before it publishes, hatch looks for `/+simple/<name>/` and takes a 404 for none."""
    before = len(scene.origins["registry"].requests)
    assert ask(scene, f"/+simple/{PROJECT}/").status == 404
    assert len(scene.origins["registry"].requests) == before

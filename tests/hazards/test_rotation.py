"""After a refused credential: one newer grant, one more try, and no locked account."""

from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import pytest

from sidecar.contract.grant import Credential
from sidecar.contract.secret import Secret
from support.servers.registry import PATIENCE_SECONDS, Call, Registry, Script
from support.sidecars.forms import AROUND
from support.sidecars.grant_servers import Broker
from support.sidecars.running import (
    AUTHORIZATION,
    PASSWORD,
    Sidecar,
    ask,
    grant,
    running_sidecar,
    sidecar_of_broker,
)

WHEEL = "/files/foo-1.0-py3-none-any.whl"
OLD = Credential("robot", Secret("old-password-of-robot"))


def only_the_new(status: int = 401) -> Script:
    """Refuses all credentials but the canary."""

    def script(call: Call) -> None:
        call.read_body()
        if call.request.header("authorization") == AUTHORIZATION:
            call.reply(200, b"welcome")
        else:
            call.reply(status, b"who are you?", {"WWW-Authenticate": "Basic"})

    return script


@pytest.mark.parametrize("path", [WHEEL, "/simple/foo/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_401_gets_one_newer_grant_and_the_request_is_repeated(
    registry: Registry, tmp_path: Path, path: str, method: str
) -> None:
    registry.on(path, only_the_new())
    with Broker(grant(registry, credential=OLD), grant(registry, version="v2")) as broker:
        with sidecar_of_broker(tmp_path, broker) as sidecar:
            for _ in range(3):
                assert sidecar.ask(method, path).status == 200
        assert [one["rejected"] for one in broker.asked()] == [None, "v1"]
    assert len(registry.seen(path)) == 4


def test_an_upload_is_asked_for_again_and_then_works(registry: Registry, tmp_path: Path) -> None:
    registry.on("/upload/", only_the_new())
    with (
        Broker(grant(registry, credential=OLD), grant(registry, version="v2")) as broker,
        sidecar_of_broker(tmp_path, broker) as sidecar,
    ):
        first = sidecar.upload(b"x" * 100_000)
        assert (first.status, first.header("retry-after")) == (503, "1")
        assert sidecar.upload(b"x" * 100_000).status == 200
        assert len(broker.requests) == 2
    assert [one.body_size for one in registry.seen("/upload/")] == [100_000 + AROUND] * 2


def test_the_same_wrong_credential_is_tried_once_per_action(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", only_the_new())
    with Broker(grant(registry, credential=OLD)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        for path in (WHEEL, "/simple/foo/", WHEEL):
            reply = sidecar.get(path)
            assert reply.status == 403
            assert "refused the credential of connector team/pypi" in reply.reason
            assert reply.header("www-authenticate") is None
        assert len(registry.requests) == 1
        for _ in range(3):
            assert sidecar.upload(b"x").status == 403
        assert len(registry.requests) == 2
        assert len(broker.requests) == 2


def test_a_wrong_credential_that_a_parent_handed_down_is_tried_once(
    registry: Registry, tmp_path: Path
) -> None:
    registry.on("*", only_the_new())
    with running_sidecar(tmp_path, grant(registry, credential=OLD)) as sidecar:
        assert [sidecar.get(WHEEL).status for _ in range(4)] == [403] * 4
    assert len(registry.requests) == 1


def test_two_wrong_credentials_after_one_another_are_two_tries(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", only_the_new())
    other = grant(registry, version="v2", credential=OLD)
    with (
        Broker(grant(registry, credential=OLD), other) as broker,
        sidecar_of_broker(tmp_path, broker) as sidecar,
    ):
        assert [sidecar.get(WHEEL).status for _ in range(3)] == [403] * 3
    assert len(registry.requests) == 2


def test_many_requests_refused_at_once_ask_the_broker_once(registry: Registry, tmp_path: Path) -> None:
    registry.on(WHEEL, only_the_new())
    statuses: list[int] = []
    with Broker(grant(registry, credential=OLD), grant(registry, version="v2")) as broker:
        with sidecar_of_broker(tmp_path, broker) as sidecar:
            threads = [Thread(target=lambda: statuses.append(sidecar.get(WHEEL).status)) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(broker.requests) == 2
    assert statuses == [200] * 20


def test_while_the_broker_is_down_a_refused_credential_is_not_tried_again(
    registry: Registry, tmp_path: Path
) -> None:
    registry.on(WHEEL, only_the_new())
    down = (503, {"detail": "the cluster is away"})
    with (
        Broker(grant(registry, credential=OLD), down, grant(registry, version="v2")) as broker,
        sidecar_of_broker(tmp_path, broker) as sidecar,
    ):
        reply = sidecar.get(WHEEL)
        assert (reply.status, reply.header("retry-after")) == (503, "5")
        assert "the cluster is away" in reply.reason
        assert sidecar.get(WHEEL).status == 503  # the broker is left in peace for half a second
        assert len(broker.requests) == 2
        while sidecar.get(WHEEL).status == 503:
            assert len(registry.requests) == 1
        assert len(broker.requests) == 3
    assert len(registry.requests) == 2


def test_an_anonymous_connector_reads_what_the_registry_asks_for(registry: Registry, tmp_path: Path) -> None:
    registry.on("*", only_the_new())
    with running_sidecar(tmp_path, grant(registry, credential=None)) as sidecar:
        for reply in (sidecar.get(WHEEL), sidecar.upload(b"x")):
            assert reply.status == 403
            assert "connector team/pypi has none" in reply.reason


def test_a_403_gets_a_newer_grant_where_there_is_one(registry: Registry, tmp_path: Path) -> None:
    registry.on(WHEEL, only_the_new(403))
    with (
        Broker(grant(registry, credential=OLD), grant(registry, version="v2")) as broker,
        sidecar_of_broker(tmp_path, broker) as sidecar,
    ):
        assert sidecar.get(WHEEL).status == 200


def test_a_403_for_one_package_leaves_the_others_alone(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("/simple/secret/", lambda call: call.reply(403, b"not for you"))
    registry.page("/simple/foo/", b"<a>")
    assert sidecar.get("/simple/secret/").status == 403
    assert sidecar.get("/simple/foo/").status == 200
    assert sidecar.get("/simple/secret/").status == 403


def test_a_client_never_sees_a_401(registry: Registry, sidecar: Sidecar) -> None:
    registry.on("*", lambda call: call.reply(401, b"", {"WWW-Authenticate": "Basic"}))
    connection = HTTPConnection("127.0.0.1", sidecar.port, timeout=PATIENCE_SECONDS)
    for method, path in [("GET", WHEEL), ("HEAD", WHEEL), ("GET", "/simple/foo/"), ("GET", "/simple/")]:
        assert ask(connection, method, path).status == 403
    connection.close()
    assert sidecar.upload(b"x", target="/legacy/").status == 403


def test_the_canary_of_these_tests_is_the_new_password(registry: Registry) -> None:
    credential = grant(registry).credential
    assert credential is not None
    assert credential.password.reveal() == PASSWORD


def test_a_403_with_nothing_newer_is_explained_and_does_not_stick(registry: Registry, tmp_path: Path) -> None:
    """pypiserver says 403 to a wrong password, others to one package: which it is, nobody can tell."""
    answers = iter([403, 403, 200])
    registry.on(WHEEL, lambda call: call.reply(next(answers), b"Forbidden"))
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        for _ in range(2):
            reply = sidecar.get(WHEEL)
            assert reply.status == 403
            for text in (reply.reason, reply.body.decode()):
                assert "forbids this to the credential of connector team/pypi" in text
                assert "user name or password are wrong, or it may not read this" in text
        assert sidecar.get(WHEEL).status == 200
        assert [one["rejected"] for one in broker.asked()] == [None, "v1"]

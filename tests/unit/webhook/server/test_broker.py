"""The broker over HTTP: its grants, also over TLS, and its answers while the cluster fails."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from certs import store
from certs.authority import ServingFiles, issue_leaf
from certs.reload import Reloader
from sidecar.contract.grant import Grant
from sidecar.contract.secret import Secret
from support.components.broker_requests import (
    CA,
    CANARY,
    SETTINGS,
    Told,
    ask,
    audit,
    cluster,
    connector,
    everything,
    injected,
    login,
    problem,
    request,
    requests,
    token,
)
from webhook.connector.secret import SecretManifest
from webhook.demo.memory_cluster import MemoryCluster
from webhook.errors import ClusterUnavailable, Forbidden
from webhook.server import broker, reception
from webhook.server.broker import create_app

# -- a grant


def test_a_reviewed_pod_gets_a_grant_that_the_sidecar_reads() -> None:
    response = ask(cluster())
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    grant = Grant.parse(response.content)
    assert grant.credential == ("reader", Secret(CANARY))
    assert grant.index_url == "https://registry.example/simple/"
    assert grant.upload_url == "https://registry.example/"
    assert grant.broker_ca == (CA.certificate,)


@pytest.mark.parametrize(
    ("annotations", "params", "key", "expected"),
    [
        ({}, {}, "team/pypi", True),
        ({"configurations": "pipconf"}, {}, "team/pypi", False),
        ({}, {"access": "read"}, "team/pypi", False),
        ({"connector": "other,pypi"}, {}, "team/pypi", False),
        ({"connector": "other,pypi", "publish_connector": "pypi"}, {}, "team/pypi", True),
        ({"publish_connector": "other"}, {}, "team/pypi", False),
        ({"publish_connector": "other"}, {}, "team/other", True),
        ({"publish_connector": "other,pypi"}, {}, "team/pypi", True),
        ({"publish_connector": "other,pypi"}, {}, "team/other", True),
        ({"connector": "other,pypi", "publish_connector": "x,other"}, {}, "team/pypi", False),
    ],
)
def test_uploading_is_granted_to_the_publish_targets_only(
    annotations: dict[str, str], params: dict[str, str], key: str, expected: bool
) -> None:
    memory_cluster = cluster(connector(**params), connector("other"), pod=injected(**annotations))
    assert (Grant.parse(ask(memory_cluster, key=key).content).upload_url is not None) is expected


def test_a_rejected_version_is_answered_with_itself_until_the_secret_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory_cluster = cluster()
    caplog.set_level(logging.INFO, "webhook")
    version = ask(memory_cluster).json()["version"]
    again = ask(memory_cluster, json={"connector": "team/pypi", "rejected": version})
    assert again.json()["version"] == version
    assert [record.rejected for record in audit(caplog)] == [False, True]
    memory_cluster.apply(login(password=CANARY + "-new"))
    renewed = ask(memory_cluster, json={"connector": "team/pypi", "rejected": version}).json()
    assert renewed["version"] != version
    assert renewed["credential"]["password"] == CANARY + "-new"


# -- when the cluster fails


class Failing(MemoryCluster):
    """Answers the first questions, and then fails as the test wishes."""

    def __init__(self, failure: BaseException, at: str) -> None:
        super().__init__([injected(), connector(), login()])
        self._failure, self._at = failure, at

    def _fail(self, question: str) -> None:
        if question == self._at:
            raise self._failure

    async def review_token(self, token: Secret, audience: str) -> Any:
        self._fail("review_token")
        return await super().review_token(token, audience)

    async def secret(self, namespace: str, name: str) -> SecretManifest | None:
        self._fail("secret")
        return await super().secret(namespace, name)

    async def is_ready(self) -> bool:
        self._fail("is_ready")
        return True


@pytest.mark.parametrize("at", ["review_token", "secret"])
@pytest.mark.parametrize("failure", [ClusterUnavailable("TokenReview: no answer"), TimeoutError()])
def test_an_unreachable_cluster_is_503_with_retry_after(at: str, failure: BaseException) -> None:
    response = ask(Failing(failure, at))
    assert problem(response) == (503, "ClusterUnavailable")
    assert int(response.headers["Retry-After"]) > 0


class Hanging(MemoryCluster):
    async def connector(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        await asyncio.sleep(60)
        return None


@pytest.mark.parametrize(
    ("peers", "expected"), [(1, reception.SLOTS_PER_PEER_LIMIT), (20, reception.SLOTS_LIMIT)]
)
def test_the_number_of_grants_under_way_is_limited(peers: int, expected: int) -> None:
    """Leaves connections to the API server for the Lease and the certificates, and turns for others, whatever
    one address sends."""
    under_way, most = 0, 0

    class Counting(MemoryCluster):
        async def review_token(self, token: Secret, audience: str) -> Any:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1
            return await super().review_token(token, audience)

    memory_cluster = Counting([connector(), login(), injected()])
    headers = {"Authorization": f"Bearer {token(memory_cluster)}"}

    async def from_peer(app: FastAPI, peer: str) -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:
            body = {"connector": "team/pypi"}
            posts = [client.post("/v1/grants", json=body, headers=headers) for _ in range(100 // peers)]
            return await asyncio.gather(*posts)

    async def run() -> list[list[httpx.Response]]:
        app = create_app(lambda: SETTINGS, memory_cluster)
        return await asyncio.gather(*(from_peer(app, f"10.0.0.{number}") for number in range(peers)))

    assert {answer.status_code for answers in asyncio.run(run()) for answer in answers} == {200}
    assert most == expected


def test_a_cluster_that_hangs_is_503_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "DEADLINE_SECONDS", 0.05)
    assert problem(ask(Hanging([injected()]))) == (503, "ClusterUnavailable")


def test_an_exchange_that_ends_in_the_middle_leaves_its_pod_in_the_audit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "webhook")
    monkeypatch.setattr(broker, "DEADLINE_SECONDS", 0.05)
    for failing in (
        Hanging([injected()]),
        Failing(RuntimeError("x"), "secret"),
        Failing(ClusterUnavailable("x"), "review_token"),
    ):
        ask(failing)
    lines = [record for record in audit(caplog) if record.msg == "grant"]
    assert [(line.connector, line.pod, line.version, line.result) for line in lines] == [
        ("team/pypi", "job", None, "unavailable"),
        ("team/pypi", "job", None, "failed"),
        ("team/pypi", None, None, "unavailable"),
    ]


def test_an_internal_error_tells_nothing_and_logs_its_place(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    response = ask(Failing(RuntimeError(f"cannot decode {CANARY}"), "secret"))
    assert problem(response) == (500, "InternalError")
    error = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert (error.error, error.exc_info) == ("RuntimeError", None)
    assert "test_broker.py:" in error.place
    assert CANARY not in everything(caplog)


def test_health_and_readiness() -> None:
    assert request(cluster(), url="/healthz", method="GET").status_code == 200
    assert request(cluster(), url="/readyz", method="GET").status_code == 200
    failing = Failing(ClusterUnavailable("x"), "is_ready")
    assert request(failing, url="/healthz", method="GET").status_code == 200
    assert problem(request(failing, url="/readyz", method="GET")) == (503, "ClusterUnavailable")


def test_an_unavailable_cluster_is_the_same_event_whatever_its_detail() -> None:
    recorder = Told()
    failing = Failing(ClusterUnavailable("the API server did not answer GET /x in time"), "secret")
    requests(failing, 1, bearer=token(failing), recorder=recorder)
    sentence = "Connector team/pypi: the broker cannot ask the API server; the sidecar asks again by itself"
    assert recorder.lines() == [("Warning ClusterUnavailable", sentence, False)]


def test_a_secret_that_the_broker_may_not_read_is_a_refusal_with_the_fix(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "webhook")
    recorder = Told()
    failing = Failing(Forbidden("GET /api/v1/namespaces/team/secrets/login answered 403"), "secret")
    response = requests(failing, 1, bearer=token(failing), recorder=recorder)[0]
    assert problem(response) == (403, "SecretForbidden")
    assert "bind the ClusterRole pypi-connector-secret-reader" in response.json()["detail"]
    assert [line[0] for line in recorder.lines()] == ["Warning SecretForbidden"]
    assert [record.reason for record in audit(caplog)] == ["SecretForbidden"]


def test_a_missing_right_of_the_broker_ends_no_grant(caplog: pytest.LogCaptureFixture) -> None:
    """A 4xx would end it: the sidecar takes it for a refusal of this Pod."""
    failing = Failing(Forbidden("tokenreviews is forbidden"), "review_token")
    response = ask(failing)
    assert problem(response) == (503, "ClusterRefused")
    assert "tokenreviews" not in response.text
    assert "tokenreviews is forbidden" in everything(caplog)
    assert [record.result for record in audit(caplog) if record.msg == "grant"] == ["unavailable"]


# -- over TLS


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[MemoryCluster, str, Path]]:
    """The broker in uvicorn, with a certificate of ours that is watched."""
    memory_cluster = cluster()
    leaf = issue_leaf(CA, ["127.0.0.1"], datetime.now(UTC))
    store.write_files(tmp_path, ServingFiles(CA.certificate, leaf.certificate, leaf.key))
    config = uvicorn.Config(
        create_app(lambda: SETTINGS, memory_cluster),
        ssl_certfile=tmp_path / "tls.crt",
        ssl_keyfile=str(tmp_path / "tls.key"),
        log_config=None,
    )
    config.load()
    assert isinstance(config.ssl, ssl.SSLContext)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    reloader = Reloader(config.ssl, tmp_path / "tls.crt", tmp_path / "tls.key")
    reloader.start(interval_seconds=0.01)
    try:
        thread.start()
        yield memory_cluster, f"https://127.0.0.1:{listener.getsockname()[1]}", tmp_path
    finally:
        reloader.stop()
        server.should_exit = True
        thread.join()


def test_a_grant_is_fetched_over_real_tls(served: tuple[MemoryCluster, str, Path]) -> None:
    memory_cluster, url, directory = served
    context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with httpx.Client(verify=context, base_url=url, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {token(memory_cluster)}"}
        response = client.post("/v1/grants", json={"connector": "team/pypi"}, headers=headers)
        assert Grant.parse(response.content).credential == ("reader", Secret(CANARY))
        refused = client.post("/v1/grants", json={"connector": "team/pypi"})
        assert problem(refused) == (401, "TokenMissing")


def test_a_renewed_certificate_is_served_without_a_restart(served: tuple[MemoryCluster, str, Path]) -> None:
    _, url, directory = served
    address = ("127.0.0.1", httpx.URL(url).port or 0)
    before = ssl.get_server_certificate(address)
    with httpx.Client(verify=ssl.create_default_context(cadata=CA.certificate), trust_env=False) as client:
        assert client.get(f"{url}/healthz").status_code == 200
        leaf = issue_leaf(CA, ["127.0.0.1"], datetime.now(UTC))
        store.write_files(directory, ServingFiles(CA.certificate, leaf.certificate, leaf.key))
        assert any(ssl.get_server_certificate(address) != before for _ in range(500))
        assert client.get(f"{url}/healthz").status_code == 200

"""The broker over HTTP: every broken input has its answer, and a credential leaves in a grant only."""

import asyncio
import base64
import logging
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from certs import store
from certs.authority import ServingFiles, create_authority, issue_leaf
from certs.reload import Reloader
from sidecar.contract import Grant, Secret, grant_request
from webhook import broker
from webhook.broker import create_app
from webhook.connectors import parse_connector
from webhook.decide import decide
from webhook.errors import ClusterUnavailable, Forbidden
from webhook.granting import Trail, grant
from webhook.memory import MemoryCluster
from webhook.seam import SecretManifest
from webhook.settings import Settings

CANARY = "canary-51c2-broker"
AUDIENCE = "pypi-connector"
CA = create_authority(datetime.now(UTC))
SETTINGS = Settings(
    sidecar_image="registry.example/sidecar",
    allowed_images=("registry.example/sidecar",),
    broker_ca=(CA.certificate,),
)


def connector(name: str = "pypi", namespace: str = "team", **params: str) -> dict[str, Any]:
    return {
        "kind": "Connector",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "connectorClassName": "pypi",
            "address": "https://registry.example",
            "auth": {"name": "basicAuth", "secretRef": {"name": "login"}},
            "params": [{"name": key, "value": value} for key, value in params.items()],
        },
    }


def login(namespace: str = "team", password: str = CANARY) -> dict[str, Any]:
    return {
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": namespace},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": "reader", "password": password},
    }


def injected(**annotations: str) -> dict[str, Any]:
    """A Pod that admission has reviewed."""
    chosen = {"connector": "pypi", **annotations}
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": "job",
            "namespace": "team",
            "annotations": {
                f"connectors.alauda.io/{key.replace('_', '-')}": text for key, text in chosen.items()
            },
        },
        "spec": {"containers": [{"name": "main", "image": "python"}]},
    }

    def lookup(key: str) -> Any:
        namespace, name = key.split("/")
        return parse_connector(connector(name, namespace))

    decision = decide(pod, namespace="team", lookup=lookup, settings=SETTINGS)
    assert decision.pod, decision.message
    return decision.pod


def cluster(*manifests: Mapping[str, Any], pod: Mapping[str, Any] | None = None) -> MemoryCluster:
    return MemoryCluster([pod or injected(), connector(), login(), *manifests])


def token(given: MemoryCluster) -> str:
    return given.issue_token("team", "job", AUDIENCE).reveal()


def request(
    given: Any, *, bearer: str | None = None, key: str = "team/pypi", **options: Any
) -> httpx.Response:
    """One request for a grant; `options` overrides parts of it."""
    return requests(given, 1, bearer=bearer, key=key, **options)[0]


def requests(
    given: Any,
    count: int,
    *,
    bearer: str | None = None,
    key: str = "team/pypi",
    recorder: "Told | None" = None,
    **options: Any,
) -> list[httpx.Response]:
    """The same request several times, to one broker."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    options.setdefault("headers", headers)
    if "content" not in options:
        options.setdefault("json", {"connector": key, "rejected": None})

    method, url = options.pop("method", "POST"), options.pop("url", "/v1/grants")

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(lambda: SETTINGS, given, recorder))
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:
            return [await client.request(method, url, **options) for _ in range(count)]

    return asyncio.run(send())


def ask(given: MemoryCluster, **options: Any) -> httpx.Response:
    return request(given, bearer=token(given), **options)


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and reason of a well-formed problem document."""
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    fields = response.json()
    assert set(fields) == {"type", "title", "status", "detail", "reason"}
    assert fields["status"] == response.status_code
    assert fields["title"]
    assert fields["detail"]
    assert CANARY not in response.text
    return response.status_code, fields["reason"]


# -- a grant


def test_a_reviewed_pod_gets_a_grant_that_the_sidecar_reads() -> None:
    response = ask(cluster())
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    found = Grant.parse(response.content)
    assert found.credential == ("reader", Secret(CANARY))
    assert found.index_url == "https://registry.example/simple/"
    assert found.upload_url == "https://registry.example/"
    assert found.broker_ca == (CA.certificate,)


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
    ],
)
def test_uploading_is_granted_to_the_publish_target_only(
    annotations: dict[str, str], params: dict[str, str], key: str, expected: bool
) -> None:
    given = cluster(connector(**params), connector("other"), pod=injected(**annotations))
    assert (Grant.parse(ask(given, key=key).content).upload_url is not None) is expected


def test_a_rejected_version_is_answered_with_itself_until_the_secret_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = cluster()
    caplog.set_level(logging.INFO, "webhook")
    version = ask(given).json()["version"]
    again = ask(given, json={"connector": "team/pypi", "rejected": version})
    assert again.json()["version"] == version
    assert [record.rejected for record in audit(caplog)] == [False, True]
    given.apply(login(password=CANARY + "-new"))
    renewed = ask(given, json={"connector": "team/pypi", "rejected": version}).json()
    assert renewed["version"] != version
    assert renewed["credential"]["password"] == CANARY + "-new"


# -- access

ACCOUNT = {"kind": "ServiceAccount", "name": "default", "namespace": "team"}


def allow(namespace: str, *verbs: str) -> list[dict[str, Any]]:
    rule = {"apiGroups": ["connectors.alauda.io"], "resources": ["connectors/proxy"], "verbs": list(verbs)}
    return [
        {"kind": "ClusterRole", "metadata": {"name": "user"}, "rules": [rule]},
        {
            "kind": "RoleBinding",
            "metadata": {"name": "b", "namespace": namespace},
            "subjects": [ACCOUNT],
            "roleRef": {"kind": "ClusterRole", "name": "user"},
        },
    ]


@pytest.mark.parametrize(
    ("verbs", "granted", "upload"),
    [
        ((), False, False),
        (("get",), True, False),
        (("get", "create"), True, True),
        (("create",), False, False),
    ],
)
@pytest.mark.parametrize("place", ["another namespace", "the same namespace under rbac"])
def test_a_review_decides_where_one_applies(
    place: str, verbs: tuple[str, ...], granted: bool, upload: bool
) -> None:
    if place == "another namespace":
        key, extra = "shared/pypi", [connector(namespace="shared"), login("shared")]
    else:
        key, extra = "team/pypi", [connector(authorization="rbac")]
    given = cluster(*extra, *allow(key.split("/")[0], *verbs), pod=injected(connector=key))
    response = ask(given, key=key)
    if granted:
        assert (Grant.parse(response.content).upload_url is not None) is upload
    else:
        assert problem(response) == (403, "AccessDenied")


def test_whether_a_foreign_connector_exists_is_told_to_nobody_without_access() -> None:
    given = cluster(pod=injected(connector="shared/nothing"))
    assert problem(ask(given, key="shared/nothing")) == (403, "AccessDenied")
    given = cluster(*allow("shared", "get"), pod=injected(connector="shared/nothing"))
    assert problem(ask(given, key="shared/nothing")) == (404, "ConnectorNotFound")


# -- refusals


def edited(**status: Any) -> dict[str, Any]:
    return {**injected(), **status}


def with_evil_image() -> dict[str, Any]:
    pod = injected()
    pod["spec"]["initContainers"][0]["image"] = "evil"
    return pod


@pytest.mark.parametrize(
    ("make", "key", "expected"),
    [
        (lambda: cluster(pod=edited(status={"phase": "Succeeded"})), "team/pypi", (403, "PodFinished")),
        (lambda: cluster(pod=injected(connector="other")), "team/pypi", (403, "ConnectorNotNamed")),
        (lambda: cluster(pod=with_evil_image()), "team/pypi", (403, "SidecarImage")),
        (lambda: cluster(pod=injected(connector="gone")), "team/gone", (404, "ConnectorNotFound")),
        (lambda: cluster(connector(access="all")), "team/pypi", (403, "ConnectorInvalid")),
        (lambda: cluster({**login(), "type": "Opaque"}), "team/pypi", (403, "SecretTypeMismatch")),
        (lambda: cluster(login(password=CANARY + "\n")), "team/pypi", (403, "SecretHasControlCharacter")),
        (
            lambda: MemoryCluster([injected(), connector()]),
            "team/pypi",
            (403, "SecretNotFound"),
        ),
    ],
)
def test_a_refusal_is_a_problem_document(
    make: Callable[[], MemoryCluster], key: str, expected: tuple[int, str]
) -> None:
    assert problem(ask(make(), key=key)) == expected


def test_a_token_that_does_not_count_is_401() -> None:
    given = cluster()
    foreign = given.issue_token("team", "job", "https://kubernetes.default.svc").reveal()
    unbound = given.issue_unbound_token("team", "default", AUDIENCE).reveal()
    response = request(given, bearer=foreign)
    assert problem(response) == (401, "TokenNotAuthenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert problem(request(given, bearer=unbound)) == (403, "TokenNotPodBound")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "TokenMissing"),
        ({"Authorization": "Basic dTpw"}, "TokenMalformed"),
        ({"Authorization": "Bearer"}, "TokenMalformed"),
        ({"Authorization": "Bearer not-a-jwt"}, "TokenMalformed"),
        ({"Authorization": "Bearer a.b.c d"}, "TokenMalformed"),
        ([("Authorization", "Bearer a.b.c"), ("Authorization", "Bearer a.b.c")], "TokenMalformed"),
    ],
)
def test_a_missing_or_malformed_bearer_is_401(headers: Any, reason: str) -> None:
    response = request(cluster(), headers=headers)
    assert problem(response) == (401, reason)
    assert response.headers["WWW-Authenticate"] == "Bearer"


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "BodyMalformed"),
        (b"{", 400, "BodyMalformed"),
        (b"\xff\xfe", 400, "BodyMalformed"),
        (b"[" * 4000, 400, "BodyMalformed"),
        (b"[]", 400, "BodyMalformed"),
        (b"null", 400, "BodyMalformed"),
        (b"{}", 400, "BodyMalformed"),
        (b'{"connector": null}', 400, "BodyMalformed"),
        (b'{"connector": "pypi"}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi/x"}', 400, "BodyMalformed"),
        (b'{"connector": "../pypi"}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi\\n"}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "rejected": 1}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "enforces": "packages"}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "enforces": null}', 400, "BodyMalformed"),
        (b'{"connector": "team/pypi", "enforces": [1]}', 400, "BodyMalformed"),
        (b" " * 4097, 413, "BodyTooLarge"),
    ],
)
def test_a_broken_body_has_its_answer(content: bytes, status: int, reason: str) -> None:
    given = cluster()
    headers = {"Authorization": f"Bearer {token(given)}", **JSON}
    assert problem(request(given, content=content, headers=headers)) == (status, reason)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_415(kind: str | None) -> None:
    given = cluster()
    headers = {"Authorization": f"Bearer {token(given)}", **({"Content-Type": kind} if kind else {})}
    response = request(given, content=b'{"connector": "team/pypi"}', headers=headers)
    assert problem(response) == (415, "UnsupportedMediaType")


def test_fields_of_a_later_sidecar_are_let_pass() -> None:
    assert ask(cluster(), json={"connector": "team/pypi", "novelty": [1]}).status_code == 200


def test_a_sidecar_that_enforces_the_policy_is_told_it() -> None:
    given = cluster(connector(denyPackages="evil-*"))
    answer = ask(given, json=grant_request("team/pypi", None))
    policy = {"connector": "team/pypi", "allow": [], "deny": ["evil-*"]}
    assert (answer.status_code, answer.json()["packages"]) == (200, policy)


def test_a_sidecar_of_an_earlier_release_gets_no_grant_that_it_would_only_half_keep() -> None:
    """It sends no word of what it enforces, and reads past a policy in its grant."""
    answer = ask(cluster(connector(denyPackages="evil-*")))
    assert problem(answer) == (403, "SidecarTooOld")
    assert "create the Pod anew" in answer.json()["detail"]
    assert CANARY not in answer.text
    without = ask(cluster())
    assert (without.status_code, without.json().get("packages")) == (200, None)


def test_the_age_of_a_sidecar_is_looked_at_after_its_rights() -> None:
    """What a Connector says is nobody's business who may not use it."""
    answer = ask(cluster(connector(denyPackages="evil-*", authorization="rbac")))
    assert problem(answer) == (403, "AccessDenied")


def test_other_paths_and_methods_are_problem_documents_too() -> None:
    given = cluster()
    assert problem(request(given, url="/v2/grants")) == (404, "NotFound")
    response = request(given, method="GET")
    assert problem(response) == (405, "MethodNotAllowed")
    assert response.headers["Allow"] == "POST"
    assert problem(request(given, url="/docs", method="GET")) == (404, "NotFound")


def test_a_body_that_does_not_arrive_is_503_for_a_4xx_would_end_the_grant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broker, "BODY_SECONDS", 0.01)

    async def stall() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    given = cluster()
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        headers = [
            (b"authorization", f"Bearer {token(given)}".encode()),
            (b"content-type", b"application/json"),
        ]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/grants",
            "headers": headers,
            "query_string": b"",
        }
        await create_app(lambda: SETTINGS, given)(scope, stall, send)

    asyncio.run(run())
    assert sent[0]["status"] == 503


# -- when the cluster fails


class Failing(MemoryCluster):
    """Answers the first questions, and then fails as it was told to."""

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


def test_only_so_many_grants_are_under_way_at_once() -> None:
    """Leaves connections to the API server for the Lease and the certificates, whoever sends tokens."""
    under_way, most = 0, 0

    class Counting(MemoryCluster):
        async def review_token(self, token: Secret, audience: str) -> Any:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1
            return await super().review_token(token, audience)

    given = Counting([connector(), login(), injected()])
    headers = {"Authorization": f"Bearer {token(given)}"}

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(lambda: SETTINGS, given))
        async with httpx.AsyncClient(transport=transport, base_url="https://broker") as client:
            body = {"connector": "team/pypi"}
            asked = [client.post("/v1/grants", json=body, headers=headers) for _ in range(100)]
            return await asyncio.gather(*asked)

    assert {one.status_code for one in asyncio.run(run())} == {200}
    assert most == broker.MOST_AT_ONCE


def test_a_cluster_that_hangs_is_503_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "DEADLINE_SECONDS", 0.05)
    assert problem(ask(Hanging([injected()]))) == (503, "ClusterUnavailable")


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


# -- the audit


def audit(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """The broker's own lines."""
    return [record for record in caplog.records if record.name == "webhook.broker"]


def everything(caplog: pytest.LogCaptureFixture) -> str:
    """All that a log handler could write of the records."""
    return "\n".join(
        f"{record.getMessage()} {record.__dict__!r} {record.exc_text}" for record in caplog.records
    )


FIELDS = ("connector", "namespace", "pod", "service_account", "result", "reason", "upload", "rejected")


def test_each_grant_and_refusal_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "webhook")
    given = cluster()
    version = ask(given).json()["version"]
    ask(given, key="team/other")
    request(given)
    lines = [[getattr(record, field) for field in FIELDS] for record in audit(caplog)]
    assert lines == [
        ["team/pypi", "team", "job", "default", "granted", "Granted", True, False],
        ["team/other", "team", "job", "default", "refused", "ConnectorNotNamed", None, False],
        [None, None, None, None, "refused", "TokenMissing", None, False],
    ]
    assert {record.msg for record in audit(caplog)} == {"grant"}
    assert audit(caplog)[0].version == version
    pod = asyncio.run(given.pod("team", "job"))
    assert pod
    assert audit(caplog)[0].uid == pod["metadata"]["uid"]


def leaks(text: str) -> bool:
    return CANARY in text or base64.b64encode(CANARY.encode()).decode() in text


BAD_SECRETS = [
    login(password=CANARY + "\n"),
    login(password="\ud800" + CANARY),
    {**login(), "type": "Opaque"},
    {**login(), "stringData": {}, "data": {"password": CANARY, "username": CANARY}},
    {**login(), "stringData": {"username": CANARY + ":"}},
    {**login(), "stringData": {}, "data": {"password": base64.b64encode(b"\xff" + CANARY.encode()).decode()}},
]


def test_the_canary_is_in_no_log_and_in_no_answer_but_the_grant(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    given = cluster()
    bearer = token(given)
    answer = request(given, bearer=bearer)
    assert leaks(answer.text), "the search finds it where it belongs"
    for secret in BAD_SECRETS:
        given.apply(secret)
        response = request(given, bearer=bearer)
        assert response.status_code == 403
        assert not leaks(response.text)
    logged = everything(caplog)
    assert "SecretNotUTF8" in logged
    assert not leaks(logged)
    assert bearer not in logged


def test_the_search_for_the_canary_sees_one_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger("webhook.broker")
    for plant in (
        lambda: logger.debug("grant", extra={"field": CANARY}),
        lambda: logger.debug("%s", CANARY),
        lambda: logger.debug("%s", base64.b64encode(CANARY.encode()).decode()),
    ):
        caplog.clear()
        plant()
        assert leaks(everything(caplog))


def test_no_exception_on_the_way_holds_the_canary() -> None:
    for secret in BAD_SECRETS:
        given = cluster(secret)
        bearer = given.issue_token("team", "job", AUDIENCE)
        trail = Trail()
        with pytest.raises(Exception, match="login") as caught:
            asyncio.run(
                grant(given, SETTINGS, token=bearer, connector_key="team/pypi", rejected=None, trail=trail)
            )
        assert not leaks("".join(traceback.format_exception(caught.value)) + repr(trail))
        error: BaseException | None = caught.value
        while error is not None:
            assert not leaks(repr(error) + repr(error.args) + repr(vars(error)))
            error = error.__cause__ or error.__context__


# -- Events


class Told:
    """Keeps what the Pods are told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def record(self, regarding: Mapping[str, str], **fields: Any) -> None:
        self.events.append({"regarding": dict(regarding), **fields})

    def lines(self) -> list[tuple[str, str, bool]]:
        """Kind with reason, message, and whether others may have said it."""
        return [(f"{one['kind']} {one['reason']}", one["message"], one["once"]) for one in self.events]


def test_a_pod_hears_of_its_first_grant_and_of_no_renewal() -> None:
    told, given = Told(), cluster()
    requests(given, 3, bearer=token(given), recorder=told)
    assert told.lines() == [("Normal Granted", "Connector team/pypi: install and upload", True)]
    pod = asyncio.run(given.pod("team", "job"))
    assert pod
    assert told.events[0]["regarding"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "team",
        "name": "job",
        "uid": pod["metadata"]["uid"],
    }
    assert told.events[0]["related"] == {
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "kind": "Connector",
        "namespace": "team",
        "name": "pypi",
    }


def test_a_grant_without_upload_says_so() -> None:
    told, given = Told(), cluster(connector(access="read"))
    requests(given, 1, bearer=token(given), recorder=told)
    assert told.lines() == [("Normal Granted", "Connector team/pypi: install", True)]


def test_each_refusal_is_told_and_a_grant_after_it_is_news_again() -> None:
    told = Told()
    given = Changing([injected(), connector(), login()], after=1, change={**login(), "type": "Opaque"})
    given.apply_after(3, login())
    requests(given, 4, bearer=token(given), recorder=told)
    sentence = 'secret "login" is of type Opaque: create it anew with type kubernetes.io/basic-auth'
    refused = ("Warning SecretTypeMismatch", f"Connector team/pypi: {sentence}", False)
    granted = "Connector team/pypi: install and upload"
    assert told.lines() == [
        ("Normal Granted", granted, True),
        refused,
        refused,
        ("Normal Granted", granted, False),
    ]


class Changing(MemoryCluster):
    """Changes between one request and the next."""

    def __init__(self, manifests: Any, *, after: int, change: Mapping[str, Any]) -> None:
        super().__init__(manifests)
        self._changes = {after: change}
        self._reviews = 0

    def apply_after(self, requests: int, change: Mapping[str, Any]) -> None:
        self._changes[requests] = change

    async def review_token(self, token: Secret, audience: str) -> Any:
        if self._reviews in self._changes:
            self.apply(self._changes[self._reviews])
        self._reviews += 1
        return await super().review_token(token, audience)


def test_a_pod_that_only_a_bad_token_claims_is_told_nothing() -> None:
    told, given = Told(), cluster()
    foreign = given.issue_token("team", "job", "https://kubernetes.default.svc").reveal()
    for bearer in (foreign, None, "a.b.c"):
        requests(given, 1, bearer=bearer, recorder=told)
    assert told.events == []


def test_an_unavailable_cluster_is_one_event_whatever_its_detail() -> None:
    told = Told()
    failing = Failing(ClusterUnavailable("the API server did not answer GET /x in time"), "secret")
    requests(failing, 1, bearer=token(failing), recorder=told)
    sentence = "Connector team/pypi: the broker cannot ask the API server; the sidecar asks again by itself"
    assert told.lines() == [("Warning ClusterUnavailable", sentence, False)]


def test_a_secret_that_the_broker_may_not_read_is_a_refusal_with_the_fix(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "webhook")
    told = Told()
    failing = Failing(Forbidden("GET /api/v1/namespaces/team/secrets/login answered 403"), "secret")
    response = requests(failing, 1, bearer=token(failing), recorder=told)[0]
    assert problem(response) == (403, "SecretForbidden")
    assert "bind the ClusterRole pypi-connector-secret-reader" in response.json()["detail"]
    assert [line[0] for line in told.lines()] == ["Warning SecretForbidden"]
    assert [record.reason for record in audit(caplog)] == ["SecretForbidden"]


def test_a_missing_right_of_the_broker_ends_no_grant(caplog: pytest.LogCaptureFixture) -> None:
    """A 4xx would: the sidecar takes it for a refusal of this Pod."""
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
    given = cluster()
    leaf = issue_leaf(CA, ["127.0.0.1"], datetime.now(UTC))
    store.write_files(tmp_path, ServingFiles(CA.certificate, leaf.certificate, leaf.key))
    config = uvicorn.Config(
        create_app(lambda: SETTINGS, given),
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
        yield given, f"https://127.0.0.1:{listener.getsockname()[1]}", tmp_path
    finally:
        reloader.stop()
        server.should_exit = True
        thread.join()


def test_a_grant_is_fetched_over_real_tls(served: tuple[MemoryCluster, str, Path]) -> None:
    given, url, directory = served
    context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with httpx.Client(verify=context, base_url=url, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {token(given)}"}
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

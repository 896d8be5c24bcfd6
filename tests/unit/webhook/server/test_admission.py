"""Admission's edge: a table of all possible inputs and their answers."""

import asyncio
import base64
import copy
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest

from support.components.reviews import CANARY, POD, REQUEST, SETTINGS, document, find, post_now
from webhook.connector.manifest import MaybeConnector
from webhook.errors import ClusterUnavailable
from webhook.identifiers import ConnectorKey
from webhook.pod.namespace import NamespaceFacts
from webhook.pod.patch import applied
from webhook.server import admission
from webhook.server.admission import BODY_LIMIT, create_app
from webhook.server.reviewer import ConnectorLookup


async def fail(_: Sequence[ConnectorKey]) -> dict[ConnectorKey, MaybeConnector]:
    raise ZeroDivisionError(CANARY)


async def unavailable(_: Sequence[ConnectorKey]) -> dict[ConnectorKey, MaybeConnector]:
    raise ClusterUnavailable("get connector team-a/pypi: no answer within 1 s")


def with_pod(**changes: object) -> dict[str, Any]:
    return document(object={**POD, **changes})


def with_container(**changes: object) -> dict[str, Any]:
    return with_pod(spec={"containers": [{"name": "app", **changes}]})


def annotated(value: object) -> dict[str, Any]:
    return with_pod(metadata={"annotations": value})


NO_REVIEW = {
    "another content type": (document(), {"content_type": "text/plain"}, 415),
    "no content type": (document(), {"content_type": ""}, 415),
    "too large": (b"[" + b" " * BODY_LIMIT + b"]", {}, 413),
    "empty": (b"", {}, 400),
    "not JSON": (b"{", {}, 400),
    "not UTF-8": (b'{"a": "\xff"}', {}, 400),
    "too deep": (b"[" * 100_000, {}, 400),
    "a list": ([], {}, 400),
    "null": (None, {}, 400),
    "another kind": ({**document(), "kind": "Pod"}, {}, 400),
    "v1beta1": ({**document(), "apiVersion": "admission.k8s.io/v1beta1"}, {}, 400),
    "no apiVersion": ({"kind": "AdmissionReview", "request": REQUEST}, {}, 400),
    "no request": ({**document(), "request": None}, {}, 400),
    "a request that is a text": ({**document(), "request": "uid"}, {}, 400),
    "no uid": (document(uid=None), {}, 400),
    "an empty uid": (document(uid=""), {}, 400),
    "a uid that is a number": (document(uid=7), {}, 400),
    "a uid without an end": (document(uid="u" * 129), {}, 400),
}


@pytest.mark.parametrize("name", NO_REVIEW)
def test_without_a_uid_to_answer_to_there_is_a_4xx(name: str) -> None:
    body, options, status = NO_REVIEW[name]
    answer = post_now(body, **options)
    assert answer.status_code == status
    assert answer.text.endswith("\n")
    assert "Traceback" not in answer.text


UNCHANGED, INJECTED = "unchanged", "injected"
REVIEWS: Mapping[str, tuple[dict[str, Any], Any]] = {
    "an annotated Pod": (document(), INJECTED),
    "a type with parameters": (document(), INJECTED),
    "a Pod without annotations": (with_pod(metadata={}), UNCHANGED),
    "null annotations": (annotated(None), UNCHANGED),
    "UPDATE": (document(operation="UPDATE"), UNCHANGED),
    "DELETE without an object": (document(operation="DELETE", object=None), UNCHANGED),
    "CONNECT": (document(operation="CONNECT", subResource="exec"), UNCHANGED),
    "no operation": (document(operation=None), UNCHANGED),
    "a sub-resource": (document(subResource="ephemeralcontainers"), UNCHANGED),
    "a Deployment": (document(resource={"group": "apps", "resource": "deployments"}), UNCHANGED),
    "a resource that is a list": (document(resource=[]), UNCHANGED),
    "no resource": (document(resource=None), UNCHANGED),
    "an unknown connector": (annotated({"connectors.alauda.io/connector": "x"}), (403, "ConnectorNotFound")),
    "a bad annotation": (annotated({"connectors.alauda.io/connector": "X"}), (403, "InvalidAnnotation")),
    "a lone surrogate": (annotated({"connectors.alauda.io/connector": "\ud800"}), (403, "InvalidAnnotation")),
    "hostNetwork": (
        with_pod(spec={"hostNetwork": True, "containers": [{"name": "app"}]}),
        (403, "HostNetwork"),
    ),
    "no object": (document(object=None), (400, "BadRequest")),
    "an object that is a list": (document(object=[]), (400, "BadRequest")),
    "an empty object": (document(object={}), (400, "InvalidPod")),
    "metadata is a list": (with_pod(metadata=[]), (400, "InvalidPod")),
    "annotations are a list": (annotated([]), (400, "InvalidPod")),
    "an annotation is a number": (annotated({"a": 1}), (400, "InvalidPod")),
    "labels are a text": (with_pod(metadata={"labels": "x"}), (400, "InvalidPod")),
    "spec is a text": (with_pod(spec="x"), (400, "InvalidPod")),
    "no containers": (with_pod(spec={}), (400, "InvalidPod")),
    "containers are a text": (with_pod(spec={"containers": "app"}), (400, "InvalidPod")),
    "a container is null": (with_pod(spec={"containers": [None]}), (400, "InvalidPod")),
    "a container's name is a list": (with_pod(spec={"containers": [{"name": []}]}), (400, "InvalidPod")),
    "volumes are an object": (
        with_pod(spec={"containers": [{"name": "a"}], "volumes": {"a": 1}}),
        (400, "InvalidPod"),
    ),
    "env is an object": (with_container(env={"A": "1"}), (400, "InvalidPod")),
    "an env entry is a text": (with_container(env=["A=1"]), (400, "InvalidPod")),
    "a mount is a number": (with_container(volumeMounts=[1]), (400, "InvalidPod")),
    "ports are a number": (with_container(ports=80), (400, "InvalidPod")),
    "capabilities are a list": (
        with_container(securityContext={"capabilities": ["ALL"]}),
        (400, "InvalidPod"),
    ),
    "limits are a list": (with_container(resources={"limits": []}), (400, "InvalidPod")),
}


@pytest.mark.parametrize("name", REVIEWS)
def test_with_a_uid_the_answer_is_a_review_that_carries_it(name: str) -> None:
    body, expected = REVIEWS[name]
    kind = "application/json; charset=utf-8" if "parameters" in name else "application/json"
    answer = post_now(body, content_type=kind)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    review = answer.json()
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response = review["response"]
    assert response["uid"] == "0e1f"
    assert response["allowed"] is (expected in (UNCHANGED, INJECTED))
    assert ("patch" in response) is (expected == INJECTED)
    if not response["allowed"]:
        assert (response["status"]["code"], response["status"]["reason"]) == expected
        assert len(response["status"]["message"]) > 10


def test_the_namespace_is_the_requests() -> None:
    response = post_now(document()).json()["response"]
    after = applied(POD, json.loads(base64.b64decode(response["patch"])))
    assert "team-a/pypi=29983" in json.dumps(after)


@pytest.mark.parametrize("broken", [fail, unavailable])
def test_an_internal_error_leaves_as_a_review_without_a_stack_trace(
    broken: ConnectorLookup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = post_now(document(), find=broken)
    response = answer.json()["response"]
    assert (answer.status_code, response["uid"], response["allowed"]) == (200, "0e1f", False)
    assert response["status"]["code"] in (500, 503)
    assert "try again" in response["status"]["message"]
    assert CANARY not in answer.text
    assert "Traceback" not in answer.text
    assert CANARY not in str([vars(record) for record in caplog.records])
    ours = [record for record in caplog.records if record.name == "webhook.server.admission"]
    assert ours[-1].getMessage() == "admission"


def test_a_body_that_does_not_arrive_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "BODY_SECONDS", 0.01)
    sent: list[dict[str, Any]] = []

    async def stall() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mutate",
        "headers": [(b"content-type", b"application/json")],
        "query_string": b"",
    }
    asyncio.run(create_app(lambda: SETTINGS, find)(scope, stall, send))
    assert sent[0]["status"] == 408


def test_the_namespaces_label_is_looked_up() -> None:
    async def places(namespace: str) -> NamespaceFacts:
        labels = {"connectors.alauda.io/allow-unconfined": "true"}
        return NamespaceFacts(labels if namespace == "team-a" else {})

    body = with_container(securityContext={"privileged": True})
    assert post_now(body).json()["response"]["status"]["reason"] == "PrivilegedContainer"
    response = post_now(body, namespaces=places).json()["response"]
    assert response["allowed"]
    assert "allow-unconfined" in response["warnings"][0]


def test_the_namespaces_annotations_are_looked_up() -> None:
    async def places(namespace: str) -> NamespaceFacts:
        defaults = {"connectors.alauda.io/connector": "pypi"}
        return NamespaceFacts({"connectors.alauda.io/inject": "enabled"}, annotations=defaults)

    body = copy.deepcopy(document())
    del body["request"]["object"]["metadata"]["annotations"]
    assert "patch" not in post_now(body).json()["response"]
    response = post_now(body, namespaces=places).json()["response"]
    operations = json.loads(base64.b64decode(response["patch"]))
    assert operations[0]["path"] == "/metadata/annotations"
    assert operations[0]["value"]["connectors.alauda.io/connector"] == "pypi"


def test_each_admission_has_a_single_log_line_without_the_pod(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    post_now(document())
    [record] = [record for record in caplog.records if record.name == "webhook.server.admission"]
    fields = vars(record)
    assert record.getMessage() == "admission"
    assert (fields["uid"], fields["namespace"], fields["pod"]) == ("0e1f", "team-a", "build-")
    assert (fields["allowed"], fields["reason"]) == (True, "Injected")
    assert CANARY not in str([vars(record) for record in caplog.records])


def test_the_longest_uid_is_answered() -> None:
    assert post_now(document(uid="u" * 128)).json()["response"]["allowed"]


def test_the_probes() -> None:
    async def get(path: str, *, ready: bool) -> int:
        transport = httpx.ASGITransport(create_app(lambda: SETTINGS, find, is_ready=lambda: ready))
        async with httpx.AsyncClient(transport=transport, base_url="https://webhook") as client:
            return (await client.get(path)).status_code

    assert asyncio.run(get("/healthz", ready=False)) == 200
    assert asyncio.run(get("/readyz", ready=False)) == 503
    assert asyncio.run(get("/readyz", ready=True)) == 200
    assert asyncio.run(get("/docs", ready=True)) == 404

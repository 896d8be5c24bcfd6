"""The client of the Kubernetes API against a scripted server: verbs, refusals, and no secret in any text."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import Configuration

from support.certificates.authority import ca, server_context
from support.machine.ports import closed_port
from support.machine.times import soon
from support.servers.registry import Call, Registry
from webhook.cluster import kubernetes as api_module
from webhook.cluster import paths
from webhook.cluster.kubernetes import KubernetesApi, in_cluster_or_kubeconfig
from webhook.cluster.trim import secret, whole
from webhook.errors import (
    ClusterRefused,
    ClusterUnavailable,
    Conflict,
    Forbidden,
    Gone,
    InputError,
    NotFound,
)

PATH = paths.secret("a", "s")


@pytest.fixture
def server() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


def ask(server: Registry, question: Callable[[KubernetesApi], Any]) -> Any:
    return ask_at(server.origin, question)


def ask_at(origin: str, question: Callable[[KubernetesApi], Any]) -> Any:
    async def story() -> Any:
        configuration = Configuration(host=origin)
        configuration.api_key["BearerToken"] = "bearer canary-token"
        async with KubernetesApi(configuration) as api:
            return await question(api)

    return asyncio.run(story())


def answer(status: int, document: object) -> Callable[[Call], None]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return lambda call: call.reply(status, body, {"Content-Type": "application/json"})


def test_each_verb_is_the_method_and_the_body_that_the_api_wants(server: Registry) -> None:
    server.on("*", answer(200, {"kind": "Secret", "unknown": [1]}))

    async def question(api: KubernetesApi) -> None:
        assert await api.get(PATH) == {"kind": "Secret", "unknown": [1]}
        await api.create(paths.secrets("a"), {"a": None})
        await api.replace(PATH, {"b": 1})
        await api.patch(PATH, {"c": 1})
        await api.patch(PATH, [{"op": "add"}], "json")

    ask(server, question)
    seen = [
        (request.method, request.header("content-type"), bytes(request.body)) for request in server.requests
    ]
    assert seen == [
        ("GET", "application/json", b""),
        ("POST", "application/json", b'{"a": null}'),
        ("PUT", "application/json", b'{"b": 1}'),
        ("PATCH", "application/merge-patch+json", b'{"c": 1}'),
        ("PATCH", "application/json-patch+json", b'[{"op": "add"}]'),
    ]
    assert {request.header("authorization") for request in server.requests} == {"bearer canary-token"}


REFUSALS = {
    400: ClusterRefused,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: ClusterRefused,
    429: ClusterUnavailable,
    500: ClusterUnavailable,
    503: ClusterUnavailable,
}


@pytest.mark.parametrize("status", REFUSALS)
def test_each_status_is_an_error_of_its_own_with_the_servers_sentence(server: Registry, status: int) -> None:
    server.on("*", answer(status, {"kind": "Status", "message": 'secrets "s" is what it is'}))
    with pytest.raises(REFUSALS[status], match='secrets "s" is what it is') as caught:
        ask(server, lambda api: api.replace(PATH, {"data": "canary"}))
    assert type(caught.value) is REFUSALS[status]
    assert "canary" not in str(caught.value)
    assert f"PUT {PATH} with {status}" in str(caught.value)


def test_a_get_of_an_absent_object_returns_none(server: Registry) -> None:
    server.on("*", answer(404, {"kind": "Status"}))
    assert ask(server, lambda api: api.get(PATH)) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"<html>"])
def test_an_answer_that_is_no_object_is_no_answer(server: Registry, body: bytes) -> None:
    server.on("*", answer(200, body))
    with pytest.raises(ClusterUnavailable):
        ask(server, lambda api: api.get(PATH))


def test_an_object_that_is_too_deep_for_the_parser_is_read(server: Registry) -> None:
    deep = b'{"metadata":{"managedFields":%b},"data":{"a":"b"}}' % (b"[" * 9990 + b"]" * 9990)
    server.on("*", answer(200, deep))
    assert ask(server, lambda api: api.get(PATH, trim=secret))["data"] == {}
    assert ask(server, lambda api: api.get(PATH))["data"] == {"a": "b"}
    assert ask(server, lambda api: api.list(PATH))["data"] == {"a": "b"}


@pytest.mark.parametrize("status", [200, 403])
def test_an_answer_that_is_deep_and_no_object_is_no_answer(server: Registry, status: int) -> None:
    server.on("*", answer(status, b"[" * 50_000))
    with pytest.raises(ClusterUnavailable if status == 200 else Forbidden):
        ask(server, lambda api: api.get(PATH))


def test_a_silent_server_is_abandoned_in_time(server: Registry) -> None:
    server.on("*", lambda call: call.wait_gone() and None)
    with soon(), pytest.raises(ClusterUnavailable, match=r"did not answer GET .* in time"):
        ask(server, lambda api: api.get(PATH, seconds=0.2))


def test_an_absent_server_is_unavailable() -> None:
    with pytest.raises(ClusterUnavailable, match=f"did not answer GET {PATH}: "):
        ask_at(f"http://127.0.0.1:{closed_port()}", lambda api: api.get(PATH))


def test_a_watch_that_falls_silent_is_abandoned(server: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "SILENCE_SECONDS", 0.2)

    def script(call: Call) -> None:
        call.start(200, {"Transfer-Encoding": "chunked"})
        call.send_chunk(b'{"type": "ADDED", "object": {}}\n')
        call.wait_gone()

    server.on("*", script)

    async def question(api: KubernetesApi) -> list[Any]:
        events = []
        with contextlib.suppress(ClusterUnavailable):
            async for event in api.watch(paths.connectors(), whole):
                events.append(event)
            events.append("ended")
        return events

    assert ask(server, question) == [{"type": "ADDED", "object": {}}]


def test_a_names_slash_cannot_leave_its_path() -> None:
    assert paths.secret("a/b", "../c") == "/api/v1/namespaces/a%2Fb/secrets/..%2Fc"


def kubeconfig(path: Path, server: str, authority: str) -> None:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "u", "user": {"token": "canary-token"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(document))


def test_a_kubeconfig_is_used_outside_of_a_cluster(tmp_path: Path) -> None:
    with Registry(server_context()) as server:
        server.on("*", answer(200, {"kind": "Secret"}))
        (tmp_path / "ca.crt").write_text(ca())
        kubeconfig(tmp_path / "config", server.origin, str(tmp_path / "ca.crt"))

        async def story() -> None:
            environment = {"KUBECONFIG": str(tmp_path / "config")}
            async with await in_cluster_or_kubeconfig(environment) as api:
                assert await api.get(PATH) == {"kind": "Secret"}

        asyncio.run(story())
        assert server.requests[0].header("authorization") == "Bearer canary-token"


def test_without_any_cluster_a_sentence_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set KUBECONFIG, or run inside a Pod"):
        asyncio.run(in_cluster_or_kubeconfig({"KUBECONFIG": str(tmp_path / "none")}))
    with pytest.raises(InputError, match="set KUBECONFIG, or run inside a Pod"):
        asyncio.run(in_cluster_or_kubeconfig({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}))

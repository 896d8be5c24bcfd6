"""Implements `Api` with the library `kubernetes`. No other module imports that library.

The library supplies credentials (in a cluster, or from a kubeconfig), TLS and the connection pool. Its typed
models are not used: they drop unknown fields, and parse each answer a second time.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException, list_kube_config_contexts, load_kube_config
from kubernetes.aio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_HOST_ENV_NAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

from webhook.cluster.answer_room import ANSWER_BYTES_LIMIT, AnswerRoom
from webhook.cluster.answers import event_of, lines_of, object_of, refusal_of
from webhook.cluster.api import REQUEST_SECONDS, Page, PatchKind
from webhook.cluster.json_stream import Lines, ListItems
from webhook.cluster.trim import Json, Trim, whole
from webhook.errors import ClusterUnavailable, InputError, NotFound

_LIST_SECONDS = 10 * REQUEST_SECONDS
"""A page of large objects takes longer than one object."""

WATCH_SECONDS = 300
"""The server ends a watch after this time; a new watch costs one request. client-go asks for 5 to 10 min."""

SILENCE_SECONDS = 90.0
"""A bookmark arrives about every minute. After a longer silence the connection is dead."""

_CONNECTIONS = 64
"""Per replica. The API server's own fairness allows a service account about as many requests at once."""

_READ_BYTES = 64 * 1024
"""aiohttp reads ahead twice as much on each connection. The library's default of 2 MiB allows for long lines
of a watch; here `Lines` splits them."""

_PATCHES: Mapping[PatchKind, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_FAILURES = (aiohttp.ClientError, ApiException, OSError, TimeoutError, ValueError, RecursionError)
"""Failures of the network, of the library, and of parsing the answer"""

# at DEBUG they log requests and answers, which may hold tokens and Secrets
logging.getLogger("kubernetes").setLevel(logging.WARNING)
logging.getLogger("aiohttp").setLevel(logging.WARNING)


class KubernetesApi:
    """Implements `Api` over one connection pool. Its user closes it."""

    def __init__(self, configuration: Configuration) -> None:
        configuration.connection_pool_maxsize = _CONNECTIONS
        # Python 3.13 demands extensions that the certificates of many clusters lack; client-go demands none
        configuration.disable_strict_ssl_verification = True
        configuration.client_session_kwargs = {"read_bufsize": _READ_BYTES}
        self._client = ApiClient(configuration)
        self._client.user_agent = "pypi-connector"
        self._room = AnswerRoom()

    async def close(self) -> None:
        await self._client.close()

    async def __aenter__(self) -> "KubernetesApi":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, path: str, *, trim: Trim = whole, seconds: float = REQUEST_SECONDS) -> Json | None:
        try:
            return await self._json("GET", path, trim=trim, seconds=seconds)
        except NotFound:
            return None

    async def list(self, path: str, **query: str) -> Json:
        async with self._answer("GET", path, query=query, seconds=_LIST_SECONDS) as response:
            return object_of("GET", path, await response.read())

    async def page(self, path: str, trim: Trim, **query: str) -> Page:
        reader = ListItems(ANSWER_BYTES_LIMIT)
        items: list[Json] = []
        async with self._answer("GET", path, query=query, seconds=_LIST_SECONDS) as response:
            async for chunk in response.content.iter_any():
                items += map(trim, reader.feed(chunk))
            items += map(trim, reader.feed(b"", is_last=True))
        metadata = reader.metadata
        return Page(items, str(metadata.get("continue") or ""), str(metadata.get("resourceVersion") or ""))

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        return await self._json("POST", path, body=body)

    async def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        return await self._json("PUT", path, body=body)

    async def patch(self, path: str, body: object, kind: PatchKind = "merge", *, trim: Trim = whole) -> Json:
        return await self._json("PATCH", path, trim=trim, body=body, content_type=_PATCHES[kind])

    async def delete(self, path: str, *, version: str) -> None:
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": version}}
        await self._json("DELETE", path, body=body)

    async def text(self, path: str, **query: str) -> str:
        async with self._answer("GET", path, query=query) as response:
            return (await response.read()).decode("utf-8", "replace")

    async def watch(self, path: str, trim: Trim, **query: str) -> AsyncIterator[Json]:
        parameters = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
            **query,
        }
        timeout = aiohttp.ClientTimeout(total=None, connect=REQUEST_SECONDS, sock_read=SILENCE_SECONDS)
        lines = Lines(ANSWER_BYTES_LIMIT)
        async with self._answer("GET", path, query=parameters, timeout=timeout) as response:
            async for chunk in response.content.iter_any():
                for line in lines_of(path, lines, chunk):
                    yield event_of(path, line, trim)

    async def _json(self, method: str, path: str, *, trim: Trim = whole, **options: Any) -> Json:
        async with self._room.body() as body, self._answer(method, path, **options) as response:
            async for chunk in response.content.iter_any():
                await body.add(chunk)
            return trim(object_of(method, path, body.data))

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        *,
        seconds: float | None = REQUEST_SECONDS,
        timeout: aiohttp.ClientTimeout | None = None,
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful answer, to be read within the context and `seconds`. Raises `webhook.errors`."""
        limit = timeout or aiohttp.ClientTimeout(total=seconds)
        try:
            async with asyncio.timeout(None if timeout else seconds):
                response = await self._send(method, path, timeout=limit, **options)
                try:
                    if not 200 <= response.status < 300:
                        raise refusal_of(method, path, response.status, await _start_of_body(response))
                    yield response
                finally:
                    # after an answer that was not read to its end, no request may reuse the connection
                    response.release() if response.content.at_eof() else response.close()
        except _FAILURES as error:
            raise _unavailable(method, path, error) from error

    async def _send(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> aiohttp.ClientResponse:
        try:
            _, url, headers, _, _ = await self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                # a compressed answer could expand to a thousand times its length
                header_params={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "Content-Type": content_type,
                },
                auth_settings=["BearerToken"],
            )
        except (ConfigException, OSError) as error:  # the token's file, which is read again each minute
            raise _unavailable(method, path, error) from error
        # without `_request_timeout` the library would retry; it accepts aiohttp's type too
        answer = await self._client.call_api(method, url, headers, body=body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


async def in_cluster_or_kubeconfig(
    environment: Mapping[str, str], *, context: str | None = None
) -> KubernetesApi:
    """Uses the credentials of the Pod, or else of the kubeconfig. `InputError` if there are none."""
    configuration = Configuration()
    try:
        if environment.get(SERVICE_HOST_ENV_NAME):
            loader = InClusterConfigLoader(
                SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME, environ=dict(environment)
            )
            loader.load_and_set(configuration)
        else:
            file = environment.get("KUBECONFIG")  # else ~/.kube/config
            await load_kube_config(file, context, configuration, persist_config=False)
    except (ConfigException, OSError) as error:
        sentence = f"no access to a cluster: {error}; set KUBECONFIG, or run inside a Pod"
        raise InputError.of("ClusterNotConfigured", sentence) from error
    return KubernetesApi(configuration)


def context_namespace(environment: Mapping[str, str], *, context: str | None = None) -> str:
    """The namespace of the kubeconfig's context: kubectl's default too."""
    try:
        contexts, current = list_kube_config_contexts(environment.get("KUBECONFIG"))
    except (ConfigException, OSError):  # the first request to the cluster reports this
        return "default"
    chosen = [item for item in contexts if item["name"] == context] if context else [current]
    return str((chosen[0]["context"].get("namespace") if chosen else None) or "default")


async def _start_of_body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    while len(body) < _READ_BYTES and (chunk := await response.content.readany()):
        body += chunk
    return body


def _unavailable(method: str, path: str, error: BaseException) -> ClusterUnavailable:
    cause = " in time" if isinstance(error, TimeoutError) else f": {str(error) or type(error).__name__}"
    return ClusterUnavailable(f"the API server did not answer {method} {path}{cause}")

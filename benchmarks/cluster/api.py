"""The API server, for an administrator with a persistent connection: kubectl's own start would count too."""

import base64
import json
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

Object = dict[str, Any]
_SECONDS = 120.0


class Api:
    """Any answer but a success raises `httpx.HTTPStatusError` with the API server's text."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def text(self, path: str) -> str:
        return self._request("GET", path).text

    def get(self, path: str) -> Object:
        return self._object("GET", path)

    def create(self, path: str, body: Object, **query: str) -> Object:
        return self._object("POST", path, json=body, params=query)

    def delete(self, path: str, *, grace_seconds: int, **query: str) -> None:
        """`query` is apart from the path: httpx drops a query that is part of the path."""
        self._request("DELETE", path, params={"gracePeriodSeconds": f"{grace_seconds}", **query})

    def watch(self, path: str, **query: str) -> Iterator[Object]:
        """Events `{"type", "object"}` until the caller stops or two minutes are over."""
        parameters = {"watch": "1", "timeoutSeconds": f"{_SECONDS:g}", **query}
        with self._client.stream("GET", path, params=parameters) as answer:
            for line in answer.iter_lines():
                yield json.loads(line)

    def _object(self, method: str, path: str, **options: Any) -> Object:
        answer = self._request(method, path, **options).json()
        assert isinstance(answer, dict)
        return answer

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self._client.request(method, path, **options)
        if answer.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path}: {answer.text}", request=answer.request, response=answer
            )
        return answer


@contextmanager
def connect(kubeconfig: Path) -> Iterator[Api]:
    """Connect with the client certificate of the first user of the kubeconfig."""
    configuration = yaml.safe_load(kubeconfig.read_text())
    cluster, user = configuration["clusters"][0]["cluster"], configuration["users"][0]["user"]
    tls = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority").decode())
    with tempfile.NamedTemporaryFile() as pair:  # ssl reads key and certificate from files only
        pair.write(_pem(user, "client-certificate") + b"\n" + _pem(user, "client-key"))
        pair.flush()
        tls.load_cert_chain(pair.name)
    with httpx.Client(base_url=cluster["server"], verify=tls, timeout=_SECONDS, trust_env=False) as client:
        yield Api(client)


def _pem(section: Object, name: str) -> bytes:
    inline = section.get(f"{name}-data")
    return base64.b64decode(inline) if inline else Path(section[name]).read_bytes()

"""Requests without pause during a disturbance. It records each failure with its sentence."""

import http.client
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.kubernetes.kube import Kube

THREADS = 4
PAUSE_SECONDS = 0.2
"""Of each thread: twenty Pods a second at most, which two cores still bear"""
SILENCE_SECONDS = 20.0


@dataclass(slots=True)
class Stream:
    """The outcomes of the requests so far."""

    created: int = 0
    refused: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0

    def note(self, seconds: float, refusal: str | None) -> None:
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        if refusal is None:
            self.created += 1
        else:
            self.refused.append(refusal)


@contextmanager
def pods_created(kube: Kube, namespace: str, make: Callable[[str], dict[str, Any]]) -> Iterator[Stream]:
    """Pods of ever new names, until the context ends; over plain HTTP, for a kubectl each would take all of
    the machine."""
    stream, stop, numbers, lock = Stream(), threading.Event(), itertools.count(), threading.Lock()

    def work(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SILENCE_SECONDS)
        while not stop.wait(PAUSE_SECONDS):
            began = time.monotonic()
            refusal = _create(connection, namespace, make(f"new-{next(numbers)}"))
            with lock:
                stream.note(time.monotonic() - began, refusal)
        connection.close()

    with _proxy(kube) as port:
        threads = [threading.Thread(target=work, args=(port,)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield stream
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _create(connection: http.client.HTTPConnection, namespace: str, manifest: dict[str, Any]) -> str | None:
    """The refusal, if there was any."""
    headers = {"Content-Type": "application/json"}
    try:
        connection.request("POST", f"/api/v1/namespaces/{namespace}/pods", json.dumps(manifest), headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return f"{type(error).__name__}: {error}"
    return None if answer.status == 201 else f"{answer.status}: {json.loads(body).get('message')}"


@contextmanager
def _proxy(kube: Kube) -> Iterator[int]:
    """The port on which the API server is reached without credentials of one's own."""
    with subprocess.Popen(kube.command("proxy", "--port=0"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()  # Starting to serve on 127.0.0.1:12345
            yield int(said.rpartition(":")[2])
        finally:
            process.terminate()

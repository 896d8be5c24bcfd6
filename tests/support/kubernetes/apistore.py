"""A small API server in memory, behind real HTTP: objects by path, resource versions, merge patches, watches.

It can fail at a chosen moment and count each call, which a real API server cannot, or only slowly.
Nothing is validated, and nothing here is shared with the code under test.
"""

import copy
import json
import threading
from collections.abc import Callable
from typing import Any

from support.servers.registry import Call, Registry

Json = dict[str, Any]


class ApiStore:
    """The scripts of one `Registry`. Objects are made and looked at from outside by their paths."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.calls: list[tuple[str, str]] = []
        """Method and path of each, watches as `WATCH`"""
        self.refuses: Callable[[str, str], int | None] = lambda _method, _path: None
        """A status to answer with, instead of the truth"""
        self._objects: dict[str, Json] = {}
        self._events: list[tuple[str, Json]] = []
        """Each change that was ever made: type and object"""
        self._changed = threading.Condition()
        self._late = threading.local()
        registry.on("*", self._answer)

    def put(self, path: str, one: Json) -> Json:
        """Put as a user would: a changed spec gets a new generation."""
        with self._changed:
            before = self._objects.get(path)
            stored = copy.deepcopy(one)
            metadata = stored.setdefault("metadata", {})
            old = (before or {}).get("metadata") or {}
            metadata.setdefault("uid", old.get("uid") or f"uid-{len(self._events)}")
            is_same = before is not None and before.get("spec") == stored.get("spec")
            metadata["generation"] = old["generation"] if is_same else old.get("generation", 0) + 1
            if before and "status" in before:
                stored.setdefault("status", before["status"])
            return self._keep(path, stored, "MODIFIED" if before else "ADDED")

    def get(self, path: str) -> Json:
        with self._changed:
            return copy.deepcopy(self._objects[path])

    @property
    def paths(self) -> set[str]:
        with self._changed:
            return set(self._objects)

    def reply_later(self, seconds: float) -> None:
        """Call this from `refuses`: the call acts at once, but its answer comes later or never."""
        self._late.seconds = seconds

    def delete(self, path: str) -> None:
        with self._changed:
            self._record("DELETED", self._objects.pop(path))

    def count(self, method: str, path: str) -> int:
        return self.calls.count((method, path))

    def _keep(self, path: str, one: Json, kind: str) -> Json:
        one["metadata"]["resourceVersion"] = str(len(self._events) + 1)
        self._objects[path] = one
        self._record(kind, one)
        return copy.deepcopy(one)

    def _record(self, kind: str, one: Json) -> None:
        self._events.append((kind, copy.deepcopy(one)))
        self._changed.notify_all()

    def _answer(self, call: Call) -> None:
        path, _, query = call.request.target.partition("?")
        method = "WATCH" if "watch=1" in query else call.request.method
        call.read_body()
        body = json.loads(call.request.body) if call.request.body else None
        self.calls.append((method, path))
        refused = self.refuses(method, path)
        if refused is not None:
            self._reply(call, refused, {"code": refused, "message": "scripted"})
        elif method == "WATCH":
            self._watch(call, path)
        else:
            with self._changed:
                status, answer = self._act(method, path, body)
            if seconds := getattr(self._late, "seconds", 0.0):
                self._late.seconds = 0.0
                call.wait_gone(seconds)
            self._reply(call, status, answer)

    def _act(self, method: str, path: str, body: Any) -> tuple[int, Json]:
        if method == "POST":
            return self._create(f"{path}/{body['metadata'].get('name')}", body)
        path = path.removesuffix("/status")
        if path not in self._objects:
            return (
                self._list(path)
                if method == "GET" and path.endswith("s")
                else (404, {"message": "not found"})
            )
        stored = self._objects[path]
        if method == "GET":
            return 200, stored
        if method == "DELETE":
            wanted = ((body or {}).get("preconditions") or {}).get("resourceVersion")
            if wanted not in (None, stored["metadata"]["resourceVersion"]):
                return 409, {"message": "the precondition fails"}
            self._record("DELETED", self._objects.pop(path))
            return 200, {"kind": "Status", "status": "Success"}
        version = body["metadata"].get("resourceVersion") if "metadata" in body else None
        if version not in (None, stored["metadata"]["resourceVersion"]):
            return 409, {"message": "the object has been modified"}
        changed = {**stored, **body} if method == "PUT" else _merged(stored, body)
        fresh = body.get("metadata", {}) if method == "PUT" else {}
        replaced = {key: fresh[key] for key in ("labels", "annotations", "ownerReferences") if key in fresh}
        changed["metadata"] = {**stored["metadata"], **replaced}
        return 200, self._keep(path, changed, "MODIFIED")

    def _create(self, path: str, body: Json) -> tuple[int, Json]:
        if path in self._objects:
            return 409, {"message": "already exists"}
        body["metadata"].setdefault("uid", f"uid-{len(self._events)}")
        return 201, self._keep(path, body, "ADDED")

    def _list(self, path: str) -> tuple[int, Json]:
        items = [one for one in self._objects.values() if _is_in(path, one)]
        return 200, {"metadata": {"resourceVersion": str(len(self._events))}, "items": items}

    def _watch(self, call: Call, path: str) -> None:
        told = int(call.request.target.partition("resourceVersion=")[2].partition("&")[0] or 0)
        call.start(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        while True:  # until a bookmark cannot be sent
            new = self._since(told)
            told += len(new)
            for kind, one in new:
                if _is_in(path, one):
                    call.send_chunk(json.dumps({"type": kind, "object": one}).encode() + b"\n")
            bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(told)}}}
            call.send_chunk(json.dumps(bookmark).encode() + b"\n")

    def _since(self, told: int) -> list[tuple[str, Json]]:
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > told, 0.2)
            return self._events[told:]

    @staticmethod
    def _reply(call: Call, status: int, answer: Json) -> None:
        call.reply(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})


def _is_in(path: str, one: Json) -> bool:
    """Whether that list, which may span all namespaces, holds it."""
    kind = str(one.get("kind")).lower()
    return path.rpartition("/")[2] == kind + ("es" if kind.endswith("s") else "s")


def _merged(stored: Json, patch: Json) -> Json:
    """RFC 7396."""
    merged = dict(stored)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged

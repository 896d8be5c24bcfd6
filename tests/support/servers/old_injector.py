"""An injector as many were built: it reads a Pod into a client library's typed models, and writes it back.

A typed model drops each field that it does not know, and the patch then removes the field. This runs with the
Python of an environment that has one old version of the library (`requirements/models-….txt`), and imports
nothing of this project. `injectors.py` starts it. The path of a request says what the injector does:

    /difference/none        patches the fields that differ, and adds only its label
    /whole/container        replaces each field of the spec that differs, and adds an init container
    /whole/few-fields       leaves only a few fields of each init container

It ends when its standard input does. As a filter (`--filter`), it reads a Pod from its standard input and
writes what the models leave of it.
"""

import base64
import http.server
import json
import ssl
import sys
import threading
from types import SimpleNamespace
from typing import Any

import jsonpatch
from kubernetes import client

LABEL = "old-injector"
FEW = ("name", "image", "command", "args", "env", "volumeMounts", "resources")
"""The fields of an injector that declares models of its own"""


def round_trip(pod: dict[str, Any]) -> dict[str, Any]:
    """The Pod without the fields that the models do not know."""
    api = client.ApiClient()
    model = api.deserialize(SimpleNamespace(data=json.dumps(pod)), "V1Pod")
    result: dict[str, Any] = api.sanitize_for_serialization(model)
    return result


def injected(pod: dict[str, Any], addition: str) -> dict[str, Any]:
    """What the injector makes of the Pod. A second time, it adds nothing."""
    result = round_trip(pod)
    result["metadata"].setdefault("labels", {})[LABEL] = "true"
    spec = result["spec"]
    if addition == "container":
        initial = spec.get("initContainers") or []
        others = [container for container in initial if container["name"] != LABEL]
        spec["initContainers"] = [{"name": LABEL, "image": "injector.example/init:1"}, *others]
    if addition == "few-fields":
        initial = spec.get("initContainers") or []
        spec["initContainers"] = [{key: one[key] for key in one if key in FEW} for one in initial]
    if addition == "variable":
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            env = [entry for entry in container.get("env") or [] if entry["name"] != "OLD_INJECTOR"]
            container["env"] = [*env, {"name": "OLD_INJECTOR", "value": "yes"}]
    return result


def patch(before: dict[str, Any], after: dict[str, Any], style: str) -> list[dict[str, Any]]:
    if style == "difference":
        return list(jsonpatch.make_patch(before, after))
    fields = [key for key in {**before["spec"], **after["spec"]} if _differs(before, after, key)]
    whole = [_field(key, after["spec"]) for key in sorted(fields)]
    labels = {"op": "add", "path": "/metadata/labels", "value": after["metadata"]["labels"]}
    return [*whole, labels]


def _differs(before: dict[str, Any], after: dict[str, Any], key: str) -> bool:
    return bool(before["spec"].get(key) != after["spec"].get(key))


def _field(key: str, spec: dict[str, Any]) -> dict[str, Any]:
    if key not in spec:
        return {"op": "remove", "path": f"/spec/{key}"}
    return {"op": "add", "path": f"/spec/{key}", "value": spec[key]}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        _, style, addition = self.path.partition("?")[0].split("/")
        after = injected(request["object"], addition)
        text = json.dumps(patch(request["object"], after, style))
        response = {
            "uid": request["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(text.encode()).decode(),
        }
        answer = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: standard error is for failures."""


def serve(certificate: str, key: str) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1:] == ["--filter"]:
        json.dump(round_trip(json.load(sys.stdin)), sys.stdout)
    else:
        serve(*sys.argv[1:])

"""The wire of admission.k8s.io/v1, and every answer that this webhook can give."""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, TypedDict

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

WARNING_LIMIT = 256
"""Characters. The API server cuts a longer warning, in the middle of a word and without a mark."""

DROPPED = "dropped"
"""An audit annotation. The API server puts the webhook's name before it: pods.connectors.alauda.io/dropped"""


class Status(TypedDict):
    """The part of metav1.Status that reaches the user."""

    code: int
    reason: str
    message: str


class Response(TypedDict):
    """AdmissionResponse."""

    uid: str
    allowed: bool
    status: NotRequired[Status]
    patchType: NotRequired[Literal["JSONPatch"]]
    patch: NotRequired[str]
    warnings: NotRequired[list[str]]
    auditAnnotations: NotRequired[dict[str, str]]


class Review(TypedDict):
    """AdmissionReview, as it goes out."""

    apiVersion: str
    kind: str
    response: Response


def allowed(uid: str, *, warnings: Iterable[str] = ()) -> Review:
    """The object passes unchanged."""
    return _review({"uid": uid, "allowed": True}, warnings)


def patched(
    uid: str,
    operations: Sequence[dict[str, Any]],
    *,
    warnings: Iterable[str] = (),
    dropped: Sequence[str] = (),
) -> Review:
    """The object passes with changes. Without operations there is no patch: an empty patch is refused.

    `dropped` goes to the audit log, where the API server names each webhook that changed the object.
    """
    if not operations:
        return allowed(uid, warnings=warnings)
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    response: Response = {"uid": uid, "allowed": True, "patchType": "JSONPatch", "patch": patch}
    if dropped:
        response["auditAnnotations"] = {DROPPED: ", ".join(dropped)}
    return _review(response, warnings)


def denied(uid: str, reason: str, message: str, *, warnings: Iterable[str] = ()) -> Review:
    """The Pod is refused for a named reason. 403: to ask again does not help, the Pod must change."""
    return _refused(uid, 403, reason, message, warnings)


def errored(uid: str, code: int, reason: str, message: str) -> Review:
    """No decision: the review is not usable (400), or the webhook has failed (500, 503)."""
    return _refused(uid, code, reason, message, ())


def _refused(uid: str, code: int, reason: str, message: str, warnings: Iterable[str]) -> Review:
    status: Status = {"code": code, "reason": reason, "message": message}
    return _review({"uid": uid, "allowed": False, "status": status}, warnings)


def _review(response: Response, warnings: Iterable[str]) -> Review:
    shown = [_one_line(warning) for warning in warnings]
    if shown:
        response["warnings"] = shown
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _one_line(warning: str) -> str:
    """Warnings travel in HTTP headers, and the API server drops a warning with a control character."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+", " ", warning)
    return text if len(text) <= WARNING_LIMIT else text[: WARNING_LIMIT - 1] + "…"

"""The API server's side of an admission: review out, patched Pod back."""

import base64
import json
import ssl
import uuid
from collections.abc import Mapping
from typing import Any

import httpx

from webhook.demo.stage import Stage
from webhook.errors import ConnectorsError
from webhook.pod import patch


class AdmissionDenied(ConnectorsError):
    """The webhook refused the Pod; the text is its sentence."""


def verifying(stage: Stage) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=stage.authority.certificate)


def ask_admission(stage: Stage, pod: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The Pod as the API server would store it, and the warnings that kubectl would print."""
    uid = str(uuid.uuid4())
    request = {
        "uid": uid,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "object": pod,
        "dryRun": False,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    answer = httpx.post(
        f"{stage.admission_url}/mutate", json=review, verify=verifying(stage), trust_env=False
    )
    response = answer.raise_for_status().json()["response"]
    if not response["allowed"]:
        raise AdmissionDenied(response["status"]["message"])
    operations = json.loads(base64.b64decode(response.get("patch", "W10=")))
    return patch.applied(pod, operations), response.get("warnings", [])

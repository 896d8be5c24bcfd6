"""Whoever looks for the injector that broke a Pod: where its name stands, and where it does not."""

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from node.api_server import AUDIT_LOG
from support.checkout import ROOT
from support.clients.command_line import PROGRAM
from support.components.admissions import Process
from support.kubernetes.kube import Kube
from support.machine.environments import clean
from support.servers.injector_kinds import API_SERVERS_WORDS, LAST_WORD, OUR_WORDS, title, users_pod
from support.servers.injectors import Injector
from webhook import names

Json = dict[str, Any]


def test_a_repair_is_a_warning_a_field_of_the_log_and_an_audit_annotation(
    kube: Kube, admission: Process, shared: str
) -> None:
    injector = Injector("after", "Never")
    with kube.namespace(injector.label) as namespace:
        assert OUR_WORDS in kube.create(users_pod(shared), namespace=namespace).stderr
        lines = [line for line in admission.lines() if line.get("namespace") == namespace]
        assert [line.get("dropped") for line in lines] == [None, "restartPolicy"]
        annotations = audited(kube, namespace)
    assert annotations["pods.connectors.alauda.io/dropped"] == "restartPolicy"


def test_without_an_old_injector_there_is_no_such_sentence(
    kube: Kube, admission: Process, shared: str
) -> None:
    with kube.namespace() as namespace:
        assert kube.create(users_pod(shared), namespace=namespace).stderr == ""
        lines = [line for line in admission.lines() if line.get("namespace") == namespace]
        assert lines != []
        assert not any("dropped" in line for line in lines)
        assert "pods.connectors.alauda.io/dropped" not in audited(kube, namespace)


def audited(kube: Kube, namespace: str) -> dict[str, str]:
    """The annotations of the only Pod of the namespace in the API server's audit log."""
    log = kube.kubeconfig.with_name(AUDIT_LOG).read_text()
    events = [json.loads(line) for line in log.splitlines()]
    found = [event for event in events if event["objectRef"].get("namespace") == namespace]
    assert len(found) == 1
    annotations: dict[str, str] = found[0]["annotations"]
    return annotations


def mutations(annotations: Mapping[str, str]) -> list[tuple[str, str]]:
    """The round and the configuration of each webhook that changed the Pod, in the order of their calls."""
    prefix = "mutation.webhook.admission.k8s.io/round_"
    calls = []
    for key, value in annotations.items():
        if key.startswith(prefix):
            number, _, index = key.removeprefix(prefix).partition("_index_")
            called = json.loads(value)
            calls.append((int(number), int(index), called["configuration"], called["mutated"]))
    return [(f"round {number}", name) for number, _, name, mutated in sorted(calls) if mutated]


@pytest.mark.parametrize("injector", LAST_WORD[:1], ids=title)
def test_the_audit_log_names_the_injector_in_the_last_round(
    kube: Kube, shared: str, injector: Injector
) -> None:
    with kube.namespace(injector.label) as namespace:
        kube.refused(users_pod(shared), namespace=namespace)
        annotations = audited(kube, namespace)
    assert mutations(annotations) == [
        ("round 0", names.WEBHOOK_CONFIGURATION),
        ("round 0", injector.configuration),
        ("round 1", names.WEBHOOK_CONFIGURATION),
        ("round 1", injector.configuration),
    ]
    last = max(key for key in annotations if key.startswith("patch.webhook.admission.k8s.io/round_1"))
    assert json.loads(annotations[last])["webhook"] == injector.webhook
    assert {"op": "remove", "path": "/spec/initContainers/0/restartPolicy"} in json.loads(annotations[last])[
        "patch"
    ]


def test_explain_names_the_injectors_with_the_last_word(kube: Kube, shared: str) -> None:
    with kube.namespace(LAST_WORD[0].label) as namespace:
        said = kube.refused(users_pod(shared), namespace=namespace)
        refusal = next(line for line in said.splitlines() if API_SERVERS_WORDS in line)
        kube.create(failed_creation(namespace, f"Error creating: {refusal}"))
        arguments = ["explain", "-n", namespace, "build"]
        environment = {**clean(), "KUBECONFIG": str(kube.kubeconfig)}
        explained = subprocess.run(
            [PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False
        )
    assert "another webhook drops restartPolicy from the injected container" in explained.stdout
    words = "that webhook is one with the last word on new Pods: "
    fix = explained.stdout.partition(words)[2].partition("\n")[0].split(", ")
    kind = "MutatingWebhookConfiguration"
    assert fix == sorted(f"{one.webhook} of {kind} {one.configuration}" for one in LAST_WORD)
    assert explained.returncode == 1


def test_the_documented_command_shows_them(kube: Kube, shared: str) -> None:
    guards_page = (ROOT / "docs" / "guards.md").read_text()
    [command] = re.findall(r"`kubectl (get mutatingwebhookconfigurations [^`]*)`", guards_page)
    rows = [line.split() for line in kube.run(*shlex.split(command)).stdout.splitlines()[1:]]
    below = rows[rows.index([names.WEBHOOK_CONFIGURATION, "IfNeeded,IfNeeded"]) + 1 :]
    shown = [name for name, policies in below if "IfNeeded" in policies]
    assert shown == sorted(one.configuration for one in LAST_WORD)


def failed_creation(namespace: str, message: str) -> Json:
    """As the Job controller writes it."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "build.failed", "namespace": namespace},
        "involvedObject": {"kind": "Job", "namespace": namespace, "name": "build"},
        "reason": "FailedCreate",
        "message": message,
        "type": "Warning",
        "lastTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def test_managed_fields_name_no_webhook(kube: Kube, shared: str) -> None:
    """Nor could guard 4: they are of the user's own client."""
    injector = Injector("after", "Never")
    with kube.namespace(injector.label) as namespace:
        kube.create(users_pod(shared), namespace=namespace)
        shown = kube.run("get", "pod", "build", "-n", namespace, "-o", "json", "--show-managed-fields").stdout
    entries = json.loads(shown)["metadata"]["managedFields"]
    assert [entry["manager"] for entry in entries] == ["kubectl-create"]
    assert names.SIDECAR not in json.dumps(entries)

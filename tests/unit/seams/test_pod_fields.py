"""Each field of a Pod that could matter to our container has a decision, and the code keeps it."""

import copy
from typing import Any

import pytest

from support.pods.isolation_edits import SETTINGS, injected, ours, reasons
from support.pods.pod_fields import Field, fields
from webhook.connector.manifest import parse_connector
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import Decision, decide

TRIED = [one for one in fields() if one.value is not None]


def admitted(pod: dict[str, Any]) -> Decision:
    def lookup(key: ConnectorKey) -> Any:
        spec = {"connectorClassName": "pypi", "address": "https://registry.example"}
        return parse_connector({"metadata": key._asdict(), "spec": spec})

    return decide(pod, namespace="team", lookup=lookup, settings=SETTINGS)


@pytest.mark.parametrize("field", TRIED, ids=lambda field: field.title)
def test_admission_keeps_to_the_table(field: Field) -> None:
    pod = injected()
    field.put(pod)
    before = copy.deepcopy(pod)
    decision = admitted(pod)
    if field.admission == "refused":
        assert decision.pod is None
        return
    assert decision.pod is not None, decision.message
    if field.admission == "canonical":
        assert ours(decision.pod) == ours(injected())
    else:
        assert field.admission == "kept"
        assert field.place(decision.pod)[field.name] == field.place(before)[field.name]
    again = admitted(copy.deepcopy(decision.pod))
    assert again.pod == decision.pod


@pytest.mark.parametrize("field", TRIED, ids=lambda field: field.title)
def test_the_broker_keeps_to_the_table(field: Field) -> None:
    pod = injected()
    field.put(pod)
    assert field.broker in ("judged", "harmless")
    assert bool(reasons(pod)) == (field.broker == "judged")


def test_a_field_of_a_later_kubernetes_cuts_off_no_running_pod_and_is_taken_from_nobody() -> None:
    """An upgrade of the cluster may add a default to every container."""
    pod = injected()
    ours(pod)["novelty"] = {"x": 1}
    assert reasons(pod) == []
    decision = admitted(pod)
    assert decision.pod is not None
    assert ours(decision.pod) == ours(injected())


def test_what_the_api_server_fills_in_is_left_as_it_is() -> None:
    pod = injected()
    defaults = {
        "terminationMessagePath": "/dev/termination-log",
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
    }
    ours(pod).update(defaults)
    decision = admitted(pod)
    assert decision.pod is not None
    assert {name: ours(decision.pod)[name] for name in defaults} == defaults

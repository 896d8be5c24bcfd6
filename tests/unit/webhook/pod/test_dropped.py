"""Fields of our container that another webhook dropped: restored, named, and nobody accused for nothing."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from webhook import names
from webhook.connector.manifest import Connector, parse_connector
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import Decision, decide
from webhook.pod.settings import Settings
from webhook.server.review import WARNING_LIMIT

Pod = dict[str, Any]
IMAGE = "registry.example/sidecar:1"
SETTINGS = Settings(sidecar_image=IMAGE, allowed_images=(IMAGE,), broker_ca=("ca",))
CANONICAL_FIELDS = {
    "command",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "lifecycle.postStart",
    "lifecycle.postStart.exec",
    "lifecycle.postStart.exec.command",
    "restartPolicy",
    "securityContext",
    "securityContext.allowPrivilegeEscalation",
    "securityContext.capabilities",
    "securityContext.capabilities.drop",
    "securityContext.readOnlyRootFilesystem",
    "securityContext.runAsNonRoot",
    "securityContext.seccompProfile",
    "securityContext.seccompProfile.type",
    "terminationMessagePolicy",
    "volumeMounts",
}


def reviewed(pod: Pod) -> Decision:
    def lookup(key: ConnectorKey) -> Connector:
        spec = {"connectorClassName": "pypi", "address": "https://pypi.example"}
        return parse_connector({"metadata": key._asdict(), "spec": spec})

    return decide(pod, namespace="team", lookup=lookup, settings=SETTINGS)


def injected(**spec: Any) -> Pod:
    pod = {
        "metadata": {"name": "build", "annotations": {names.CONNECTOR: "pypi"}},
        "spec": {"containers": [{"name": "main", "image": "python"}], **spec},
    }
    decision = reviewed(pod)
    assert decision.pod is not None
    assert decision.dropped == ()
    return decision.pod


def ours(pod: Pod) -> Pod:
    sidecar: Pod = pod["spec"]["initContainers"][0]
    return sidecar


def fields_of(container: Mapping[str, Any], above: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in container.items():
        found |= {above + key}
        found |= fields_of(value, f"{above}{key}.") if isinstance(value, dict) else set()
    return found


def test_each_field_that_was_dropped_is_restored_and_named() -> None:
    whole = injected()
    fields = {path for path in fields_of(ours(whole)) if path.partition(".")[0] not in ("name", "env")}
    assert {path for path in fields if not path.startswith("resources")} == CANONICAL_FIELDS
    for path in CANONICAL_FIELDS:
        pod = copy.deepcopy(whole)
        *above, last = path.split(".")
        holder = ours(pod)
        for key in above:
            holder = holder[key]
        del holder[last]
        decision = reviewed(pod)
        assert decision.pod == whole
        assert decision.dropped == (path,)
        assert f"dropped {path} from container pypi-connector; it is restored" in decision.warnings[0]
        assert len(decision.warnings[0]) <= WARNING_LIMIT


def without_restart_policy(pod: Pod) -> None:
    del ours(pod)["restartPolicy"]


def of_an_earlier_release(pod: Pod) -> None:
    """A restored Pod, from before a field existed."""
    without_restart_policy(pod)
    ours(pod)["env"][0]["value"] = "0"


def with_amounts_of_others(pod: Pod) -> None:
    del ours(pod)["resources"]


def of_root_now(pod: Pod) -> None:
    """Our container gets a user of its own then, which nobody has dropped."""
    pod["spec"]["securityContext"] = {"runAsUser": 0}


def gone(pod: Pod) -> None:
    del pod["spec"]["initContainers"]


@pytest.mark.parametrize("edit", [of_an_earlier_release, with_amounts_of_others, of_root_now, gone])
def test_nobody_is_accused_of_what_has_another_cause(edit: Callable[[Pod], None]) -> None:
    pod = injected()
    edit(pod)
    decision = reviewed(pod)
    assert decision.pod is not None
    assert decision.dropped == ()
    assert decision.warnings == ()


def test_variables_and_mounts_that_others_add_do_not_hide_it() -> None:
    pod = injected(volumes=[{"name": "token", "projected": {"sources": []}}])
    ours(pod)["env"].append({"name": "OTHER", "value": "1"})
    ours(pod)["volumeMounts"].append({"name": "token", "mountPath": "/var/run/secrets/other"})
    without_restart_policy(pod)
    assert reviewed(pod).dropped == ("restartPolicy",)

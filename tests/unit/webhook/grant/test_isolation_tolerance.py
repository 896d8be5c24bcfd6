"""`violations(pod)`: good edits pass, as do Pods of earlier versions, and no shape of a Pod is an error."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from sidecar.contract.words import SHAPE
from support.pods.isolation_edits import (
    CA,
    OTHER_CA,
    OURS,
    SETTINGS,
    SHAPES,
    Edit,
    Pod,
    added,
    ephemeral,
    field,
    injected,
    mount,
    our_mount,
    ours,
    projected,
    reasons,
    security,
    serves_volume,
    variable,
    volume,
)
from webhook.grant.isolation import violations
from webhook.grant.known_sidecars import KNOWN


def entry_of(pod: Pod, name: str) -> Mapping[str, Any]:
    return next(entry for entry in ours(pod)["env"] if entry["name"] == name)


BENIGN: Mapping[str, Edit] = {
    "nothing": lambda pod: None,
    "resources": field(resources={"limits": {"cpu": "1", "memory": "1Gi"}}),
    "resources that are amounts": field(resources={"requests": {"hugepages-2Mi": "2Mi"}, "limits": None}),
    "an older allowed image": field(image="mirror/old"),
    "another pull policy": field(imagePullPolicy="Always"),
    "a foreign variable": added("AWS_REGION", "eu-west-1"),
    "a time zone": added("TZ", "Europe/Berlin"),
    "a locale": added("LC_ALL", "C.UTF-8"),
    "a foreign variable from a field": lambda pod: ours(pod)["env"].append(
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    ),
    "a variable whose name contains a name of ours": added("MY_SIDECAR_SHAPE", "x"),
    "a variable whose name contains a forbidden name": added("MY_LD_PRELOAD", "x"),
    "a workload identity's token": mount(
        "theirs", "/var/run/secrets/eks.amazonaws.com/serviceaccount", readOnly=True
    ),
    "a neighbour of our token": mount("theirs", "/var/run/secrets/pypi-connector-of-others"),
    "values that the API server fills in": field(
        terminationMessagePath="/dev/termination-log", ports=[], args=[], stdin=False, tty=False
    ),
    "a user that OpenShift assigns": security(runAsUser=1000680000, seLinuxOptions={"level": "s0:c26,c5"}),
    "a local seccomp profile": security(seccompProfile={"type": "Localhost", "localhostProfile": "p.json"}),
    "an AppArmor profile": security(appArmorProfile={"type": "RuntimeDefault"}),
    "a mount that says its defaults": our_mount(
        "pypi-connector-config", readOnly=False, subPath="", mountPropagation="None"
    ),
    "an init container before ours": lambda pod: pod["spec"]["initContainers"].insert(0, {"name": "mesh"}),
    "another token in a foreign volume": volume(
        "theirs", **projected({"serviceAccountToken": {"audience": "vault", "path": "token"}})
    ),
    "a token of another life": volume(
        "pypi-connector-token",
        **projected({"serviceAccountToken": {**OURS["serviceAccountToken"], "expirationSeconds": 600}}),
    ),
    "an ephemeral container beside us": ephemeral(targetContainerName="main"),
    "the config folder, read-only": mount("pypi-connector-config", "/c", "main", readOnly=True),
    "another order of connectors": variable("SIDECAR_ORDER", "shared/internal,team/pypi"),
    "no order": lambda pod: ours(pod)["env"].remove(entry_of(pod, "SIDECAR_ORDER")),
    "files for a volume": serves_volume,
    "a file of a class": variable("SIDECAR_FILES", '{"..pip-2.CONF_": "x"}'),
    "a bundle with comments": variable("SIDECAR_BROKER_CA", "# ours\n" + CA),
    "a field of a later Kubernetes": field(novelty={"x": 1}, resizePolicy=[{"resourceName": "cpu"}]),
    "annotations and labels": lambda pod: pod["metadata"].update(labels={}, annotations={}),
}


@pytest.mark.parametrize("name", BENIGN)
def test_an_edit_that_others_make_for_good_reasons_passes(name: str) -> None:
    pod = injected()
    BENIGN[name](pod)
    assert violations(pod, settings=SETTINGS) == []


def test_a_pod_that_runs_as_root_passes_as_injected() -> None:
    assert violations(injected(securityContext={"runAsUser": 0}), settings=SETTINGS) == []


def test_a_bundle_with_a_past_authority_passes_while_the_settings_know_it() -> None:
    both = replace(SETTINGS, broker_ca=(OTHER_CA, CA))
    assert violations(injected(), settings=both) == []
    assert reasons(injected(), replace(SETTINGS, broker_ca=(OTHER_CA,))) == ["SidecarVariable"]


@pytest.mark.parametrize("value", [None, [], {}, "text", [None], ["text"], [{}]])
@pytest.mark.parametrize("name", ["initContainers", "containers", "volumes", "ephemeralContainers"])
def test_a_misshapen_pod_is_judged_without_an_error(name: str, value: Any) -> None:
    pod = injected()
    pod["spec"][name] = value
    problems = violations(pod, settings=SETTINGS)
    # without our init container or our volumes it is no Pod of ours; other parts may be absent
    assert bool(problems) == (name in ("initContainers", "volumes"))


@pytest.mark.parametrize(
    "projected", ["x", [], {"sources": "x"}, {"sources": [{"serviceAccountToken": "x"}]}]
)
def test_a_misshapen_volume_is_judged_without_an_error(projected: Any) -> None:
    pod = injected()
    pod["spec"]["volumes"].append({"name": "other", "projected": projected})
    assert violations(pod, settings=SETTINGS) == []


# -- shapes of earlier versions


def recorded(version: str) -> Pod:
    pod: Pod = yaml.safe_load((SHAPES / version / "pod.yaml").read_text())
    return pod


@pytest.mark.parametrize("version", [version for version in KNOWN if version != SHAPE])
def test_a_pod_of_an_earlier_version_still_passes(version: str) -> None:
    """Otherwise an upgrade of the broker would cut off Pods that run for days."""
    pod = recorded(version)
    shapes = [entry["value"] for entry in ours(pod)["env"] if entry["name"] == "SIDECAR_SHAPE"]
    assert shapes == [version]
    assert violations(pod, settings=SETTINGS) == []


def test_the_current_shape_is_known() -> None:
    assert SHAPE in KNOWN


def test_an_earlier_shape_does_not_excuse_parts_of_another() -> None:
    pod = injected()
    variable("SIDECAR_SHAPE", "0")(pod)
    assert set(reasons(pod)) == {"SidecarLifecycle", "SidecarTermination", "SidecarVariable"}
    pod = recorded("0")
    variable("SIDECAR_SHAPE", "1")(pod)
    assert set(reasons(pod)) == {"SidecarLifecycle", "SidecarTermination"}
    pod = recorded("1")
    variable("SIDECAR_SHAPE", "2")(pod)
    assert reasons(pod) == ["SidecarLifecycle"]
    pod = recorded("2")
    variable("SIDECAR_SHAPE", "3")(pod)
    assert reasons(pod) == []
    added("SIDECAR_ORDER", "team/pypi,shared/internal")(pod)
    variable("SIDECAR_SHAPE", "2")(pod)
    assert reasons(pod) == ["SidecarVariable"]
    pod = recorded("0")
    field(image="evil")(pod)
    assert reasons(pod) == ["SidecarImage"]


def test_the_refusal_of_an_unknown_shape_names_the_known_shapes() -> None:
    pod = injected()
    variable("SIDECAR_SHAPE", "99")(pod)
    problems = violations(pod, settings=SETTINGS)
    assert re.search("of shape '99'; this broker knows 0, 1, 2, 3", problems[0].message)

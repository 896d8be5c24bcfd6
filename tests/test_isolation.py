"""`violations(pod)`: what breaks the credential's isolation has a reason each, and good edits pass."""

import ast
import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from certs.authority import create_authority
from sidecar import contract
from webhook import isolation, surroundings
from webhook.connectors import parse_connector
from webhook.decide import decide
from webhook.isolation import violations
from webhook.settings import Settings
from webhook.shapes import KNOWN

SHAPES = Path(__file__).parent / "shapes"
CA = (SHAPES / "ca.crt").read_text()
IMAGE = "registry.example/pypi-connector-sidecar@sha256:" + "0" * 64
SETTINGS = Settings(sidecar_image=IMAGE, allowed_images=(IMAGE, "mirror/old"), broker_ca=(CA,))

Pod = dict[str, Any]


def injected(**spec: Any) -> Pod:
    """A Pod as admission leaves it today, and as another product's token makes it more usual."""
    pod = {
        "metadata": {
            "name": "job",
            "namespace": "team",
            "annotations": {"connectors.alauda.io/connector": "pypi,shared/internal"},
        },
        "spec": {
            "containers": [{"name": "main", "image": "python"}, {"name": "second", "image": "python"}],
            "initContainers": [{"name": "prepare", "image": "python"}],
            "volumes": [{"name": "theirs", "emptyDir": {}}],
            **spec,
        },
    }
    decision = decide(pod, namespace="team", lookup=_connector, settings=SETTINGS)
    assert decision.pod, decision.message
    return decision.pod


def _connector(key: str) -> Any:
    namespace, name = key.split("/")
    spec = {"connectorClassName": "pypi", "address": "https://registry.example"}
    return parse_connector({"metadata": {"namespace": namespace, "name": name}, "spec": spec})


def ours(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in pod["spec"]["initContainers"] if one["name"] == "pypi-connector"
    )
    return found


def reasons(pod: Pod, settings: Settings = SETTINGS) -> list[str]:
    return [violation.reason for violation in violations(pod, settings=settings)]


# -- ways to alter a Pod

Edit = Callable[[Pod], object]


def field(**values: Any) -> Edit:
    return lambda pod: ours(pod).update(values)


def spec(**values: Any) -> Edit:
    return lambda pod: pod["spec"].update(values)


def variable(name: str, value: Any = "x", **entry: Any) -> Edit:
    def edit(pod: Pod) -> None:
        env = ours(pod)["env"]
        changed = {"name": name, "value": value, **entry}
        if name in [one["name"] for one in env]:
            env[:] = [changed if one["name"] == name else one for one in env]
        else:
            env.append(changed)

    return edit


def added(name: str, value: str) -> Edit:
    return lambda pod: ours(pod)["env"].append({"name": name, "value": value})


def security(**values: Any) -> Edit:
    return lambda pod: ours(pod)["securityContext"].update(values)


def mount(volume: str, path: str, container: str = "pypi-connector", **values: Any) -> Edit:
    def edit(pod: Pod) -> None:
        everyone = [one for kind in ("initContainers", "containers") for one in pod["spec"][kind]]
        target = next(one for one in everyone if one["name"] == container)
        target.setdefault("volumeMounts", []).append({"name": volume, "mountPath": path, **values})

    return edit


def our_mount(volume: str, **values: Any) -> Edit:
    return lambda pod: next(one for one in ours(pod)["volumeMounts"] if one["name"] == volume).update(values)


def volume(name: str, **values: Any) -> Edit:
    def edit(pod: Pod) -> None:
        volumes = pod["spec"]["volumes"]
        volumes[:] = [one for one in volumes if one["name"] != name] + [{"name": name, **values}]

    return edit


def projected(*sources: Mapping[str, Any]) -> dict[str, Any]:
    return {"projected": {"sources": list(sources)}}


def ephemeral(**values: Any) -> Edit:
    return spec(ephemeralContainers=[{"name": "debugger", "image": "busybox", **values}])


def renamed(pod: Pod) -> None:
    ours(pod)["name"] = "other"


def gate(*ports: str) -> Edit:
    def edit(pod: Pod) -> None:
        command = ours(pod)["lifecycle"]["postStart"]["exec"]["command"]
        command[5:] = ports

    return edit


OURS = {"serviceAccountToken": {"audience": "pypi-connector", "path": "token"}}
OTHER_CA = create_authority(datetime(2026, 1, 1, tzinfo=UTC)).certificate
TRUSTED = CA.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
SECRET_REFERENCE = {"secretRef": {"name": "s"}}
PROBE = {"exec": {"command": ["sh"]}}

VIOLATIONS: Mapping[str, list[Edit]] = {
    "SidecarAbsent": [
        renamed,
        spec(initContainers=[]),
        spec(initContainers=None),
        lambda pod: pod["spec"]["initContainers"].append(copy.deepcopy(ours(pod))),
    ],
    "SidecarNameTaken": [lambda pod: pod["spec"]["containers"].append({"name": "pypi-connector"})],
    "SidecarImage": [field(image="evil"), field(image=IMAGE + "0"), lambda pod: ours(pod).pop("image")],
    "SidecarRestartPolicy": [lambda pod: ours(pod).pop("restartPolicy"), field(restartPolicy="Never")],
    "SidecarCommand": [
        field(command=["sh"]),
        field(command=["python3", "-m", "sidecar"]),
        lambda pod: ours(pod).pop("command"),
    ],
    "SidecarArguments": [field(args=["-c", "x"])],
    "SidecarWorkingDirectory": [field(workingDir="/var/run/secrets/x")],
    "SidecarEnvFrom": [
        field(envFrom=[SECRET_REFERENCE]),
        field(envFrom=[{"prefix": "LD_", **SECRET_REFERENCE}]),
    ],
    "SidecarDevice": [field(volumeDevices=[{"name": "d", "devicePath": "/dev/x"}])],
    "SidecarProbe": [field(livenessProbe=PROBE), field(readinessProbe=PROBE), field(startupProbe=PROBE)],
    "SidecarTerminal": [field(stdin=True), field(tty=True), field(stdinOnce=True)],
    "SidecarLifecycle": [
        field(lifecycle={"postStart": PROBE}),
        field(lifecycle=None),
        lambda pod: ours(pod).pop("lifecycle"),
        lambda pod: ours(pod)["lifecycle"].update(preStop=PROBE),
        gate("1"),
        gate(),
        gate("28100; sh"),
    ],
    "SidecarTermination": [
        field(terminationMessagePolicy="File"),
        field(terminationMessagePath="/etc/pypi-connector/pip.conf"),
    ],
    "SidecarShapeUnknown": [
        variable("SIDECAR_SHAPE", "99"),
        variable("SIDECAR_SHAPE", None, valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}),
        lambda pod: ours(pod).update(env=[one for one in ours(pod)["env"] if one["name"] != "SIDECAR_SHAPE"]),
    ],
    "SidecarVariable": [
        variable("SIDECAR_BROKER_URL", "https://elsewhere.example"),
        variable("SIDECAR_BROKER_URL", SETTINGS.broker_url + ".evil.example"),
        variable("SIDECAR_BROKER_CA", OTHER_CA),
        variable("SIDECAR_BROKER_CA", CA + OTHER_CA),
        variable("SIDECAR_BROKER_CA", CA + TRUSTED),
        variable("SIDECAR_BROKER_CA", ""),
        variable("SIDECAR_TOKEN_FILE", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
        variable("SIDECAR_CONFIG_DIR", "/var/run/secrets/x"),
        variable("SIDECAR_LOG_LEVEL", "trace"),
        variable("SIDECAR_LISTEN", "0.0.0.0:80"),
        variable("SIDECAR_LISTEN", "team/pypi=28100,"),
        variable("SIDECAR_LISTEN", ""),
        variable("SIDECAR_FILES", "[]"),
        variable("SIDECAR_FILES", '{"../x": "y"}'),
        variable("SIDECAR_FILES", "[" * 5000),
        added("SIDECAR_SHAPE", contract.SHAPE),
        added("SIDECAR_GRANT_FD", "3"),
        added("SIDECAR_OF_A_LATER_VERSION", "x"),
        variable("SIDECAR_LOG_LEVEL", "info", valueFrom={"configMapKeyRef": {"name": "c", "key": "k"}}),
    ],
    "SidecarVariableForbidden": [
        *(added(name, "x") for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")),
        *(added(name, "x") for name in ("SSL_CERT_FILE", "SSLKEYLOGFILE", "OPENSSL_CONF", "NO_PROXY")),
        *(added(name, "x") for name in ("GLIBC_TUNABLES", "GCONV_PATH", "HOSTALIASES", "RES_OPTIONS")),
        *(added(name, "x") for name in ("HTTPS_PROXY", "https_proxy", "All_Proxy", "LOCALDOMAIN")),
        *(added(name, "x") for name in ("PATH", "RESOLV_HOST_CONF", "BASH_FUNC_grep%%")),
    ],
    "SidecarSecurityContext": [
        field(securityContext=None),
        lambda pod: ours(pod).pop("securityContext"),
        security(privileged=True),
        security(allowPrivilegeEscalation=True),
        security(allowPrivilegeEscalation=None),
        security(readOnlyRootFilesystem=False),
        security(runAsNonRoot=False),
        security(runAsUser=0),
        security(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
        security(capabilities={"drop": ["NET_RAW"]}),
        security(capabilities=None),
        security(seccompProfile={"type": "Unconfined"}),
        security(procMount="Unmasked"),
        security(appArmorProfile={"type": "Unconfined"}),
        security(seLinuxOptions={"type": "spc_t"}),
    ],
    "SidecarMount": [
        field(volumeMounts=[]),
        our_mount("pypi-connector-token", readOnly=False),
        our_mount("pypi-connector-token", mountPath="/elsewhere"),
        our_mount("pypi-connector-config", subPath="x"),
        our_mount("pypi-connector-config", mountPropagation="Bidirectional"),
        lambda pod: ours(pod)["volumeMounts"].pop(),
        mount("pypi-connector-config", "/var/run/secrets/x"),
    ],
    "SidecarForeignMount": [
        mount("theirs", "/app"),
        mount("theirs", "/usr/lib"),
        mount("theirs", "/var/run/secrets"),
        mount("theirs", "/var/run/secrets/"),
        mount("theirs", "/var/run"),
        mount("theirs", "/"),
        mount("theirs", "/var/run/secrets/../../../usr"),
        mount("theirs", "/var/run/secrets//x"),
        mount("theirs", "/var/run/secrets-of-others"),
        mount("theirs", "/var/run/secrets/pypi-connector"),
        mount("theirs", "/var/run/secrets/pypi-connector/"),
        mount("theirs", "/var/run/secrets/pypi-connector/token", subPath="token"),
        mount("theirs", "/var/run/secrets/kubernetes.io"),
        mount("theirs", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
        mount("theirs", "/etc/pypi-connector/pip.conf"),
    ],
    "TokenVolume": [
        volume("pypi-connector-token", emptyDir={}),
        volume("pypi-connector-token", **projected(OURS, {"configMap": {"name": "c"}})),
        volume("pypi-connector-token", **projected({**OURS, "secret": {"name": "s"}})),
        volume("pypi-connector-token", **projected({"serviceAccountToken": {"path": "token"}})),
        volume("pypi-connector-token", **projected({"configMap": {"name": "c"}})),
        volume("pypi-connector-token", **projected(OURS), hostPath={"path": "/"}),
    ],
    "ConfigVolume": [
        volume("pypi-connector-config", hostPath={"path": "/"}),
        volume("pypi-connector-empty", persistentVolumeClaim={"claimName": "c"}),
        volume("pypi-connector-config", emptyDir={}, configMap={"name": "c"}),
    ],
    "TokenProjectedElsewhere": [
        volume("theirs", **projected({"configMap": {"name": "c"}}, OURS)),
        volume("another", **projected({"serviceAccountToken": {**OURS["serviceAccountToken"], "path": "t"}})),
    ],
    "TokenMountedElsewhere": [
        mount("pypi-connector-token", "/t", "main", readOnly=True),
        mount("pypi-connector-token", "/t", "prepare", readOnly=True),
        ephemeral(volumeMounts=[{"name": "pypi-connector-token", "mountPath": "/t", "readOnly": True}]),
    ],
    "ConfigMountedWritable": [
        mount("pypi-connector-config", "/c", "second"),
        mount("pypi-connector-config", "/c", "prepare", readOnly=False),
        ephemeral(volumeMounts=[{"name": "pypi-connector-config", "mountPath": "/c"}]),
    ],
    "EphemeralContainerTargetsSidecar": [ephemeral(targetContainerName="pypi-connector")],
    "HostNetwork": [spec(hostNetwork=True)],
    "HostPID": [spec(hostPID=True)],
    "ShareProcessNamespace": [spec(shareProcessNamespace=True)],
}


@pytest.mark.parametrize(
    ("reason", "edit"),
    [(reason, edit) for reason, edits in VIOLATIONS.items() for edit in edits],
    ids=[f"{reason}-{number}" for reason, edits in VIOLATIONS.items() for number in range(len(edits))],
)
def test_each_violation_has_its_own_reason(reason: str, edit: Edit) -> None:
    pod = injected()
    edit(pod)
    assert set(reasons(pod)) == {reason}


def test_every_reason_of_the_sources_is_in_the_table() -> None:
    sources = "".join(Path(str(module.__file__)).read_text() for module in (isolation, surroundings))
    calls = [node for node in ast.walk(ast.parse(sources)) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "id", "") in ("Problem", "_problem")]
    texts = {call.args[0].value for call in named if isinstance(call.args[0], ast.Constant)}
    shared = {reason.value for reason, _ in surroundings._SHARED.values()}
    assert len(texts) > 15
    assert texts | shared == set(VIOLATIONS)


BENIGN: Mapping[str, Edit] = {
    "nothing": lambda pod: None,
    "resources": field(resources={"limits": {"cpu": "1", "memory": "1Gi"}}),
    "an older allowed image": field(image="mirror/old"),
    "another pull policy": field(imagePullPolicy="Always"),
    "a variable of theirs": added("AWS_REGION", "eu-west-1"),
    "a variable of theirs from a field": lambda pod: ours(pod)["env"].append(
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    ),
    "a variable whose name only holds one of ours": added("MY_SIDECAR_SHAPE", "x"),
    "a variable whose name only holds a forbidden one": added("MY_LD_PRELOAD", "x"),
    "a workload identity's token": mount(
        "theirs", "/var/run/secrets/eks.amazonaws.com/serviceaccount", readOnly=True
    ),
    "a neighbour of our token": mount("theirs", "/var/run/secrets/pypi-connector-of-others"),
    "what the API server fills in": field(
        terminationMessagePath="/dev/termination-log", ports=[], args=[], stdin=False, tty=False
    ),
    "a user that OpenShift assigns": security(runAsUser=1000680000, seLinuxOptions={"level": "s0:c26,c5"}),
    "a local seccomp profile": security(seccompProfile={"type": "Localhost", "localhostProfile": "p.json"}),
    "an AppArmor profile": security(appArmorProfile={"type": "RuntimeDefault"}),
    "a mount that says its defaults": our_mount(
        "pypi-connector-config", readOnly=False, subPath="", mountPropagation="None"
    ),
    "an init container before ours": lambda pod: pod["spec"]["initContainers"].insert(0, {"name": "mesh"}),
    "another token in a volume of theirs": volume(
        "theirs", **projected({"serviceAccountToken": {"audience": "vault", "path": "token"}})
    ),
    "a token of another life": volume(
        "pypi-connector-token",
        **projected({"serviceAccountToken": {**OURS["serviceAccountToken"], "expirationSeconds": 600}}),
    ),
    "an ephemeral container beside us": ephemeral(targetContainerName="main"),
    "the config folder, read-only": mount("pypi-connector-config", "/c", "main", readOnly=True),
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


def test_all_violations_are_told_at_once() -> None:
    pod = injected(hostAliases=[])
    for edit in (field(image="evil"), added("LD_PRELOAD", "x"), spec(hostPID=True)):
        edit(pod)
    assert reasons(pod) == ["SidecarImage", "SidecarVariableForbidden", "HostPID"]


def test_the_pod_is_left_as_it_was() -> None:
    pod = injected()
    before = copy.deepcopy(pod)
    violations(pod, settings=SETTINGS)
    assert pod == before


@pytest.mark.parametrize("value", [None, [], {}, "text", [None], ["text"], [{}]])
@pytest.mark.parametrize("name", ["initContainers", "containers", "volumes", "ephemeralContainers"])
def test_a_misshapen_pod_is_judged_without_an_error(name: str, value: Any) -> None:
    pod = injected()
    pod["spec"][name] = value
    found = violations(pod, settings=SETTINGS)
    # without our init container or our volumes it is no Pod of ours; the rest may be absent
    assert bool(found) == (name in ("initContainers", "volumes"))


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


@pytest.mark.parametrize("version", [version for version in KNOWN if version != contract.SHAPE])
def test_a_pod_of_an_earlier_version_still_passes(version: str) -> None:
    """It prevents that an upgrade of the broker cuts off Pods that run for days."""
    pod = recorded(version)
    shapes = [one["value"] for one in ours(pod)["env"] if one["name"] == "SIDECAR_SHAPE"]
    assert shapes == [version]
    assert violations(pod, settings=SETTINGS) == []


def test_the_current_shape_is_known() -> None:
    assert contract.SHAPE in KNOWN


def test_an_earlier_shape_does_not_excuse_what_is_of_another() -> None:
    pod = injected()
    variable("SIDECAR_SHAPE", "0")(pod)
    assert set(reasons(pod)) == {"SidecarLifecycle", "SidecarTermination"}
    pod = recorded("0")
    variable("SIDECAR_SHAPE", "1")(pod)
    assert set(reasons(pod)) == {"SidecarLifecycle", "SidecarTermination"}
    pod = recorded("1")
    variable("SIDECAR_SHAPE", "2")(pod)
    assert reasons(pod) == ["SidecarLifecycle"]
    pod = recorded("0")
    field(image="evil")(pod)
    assert reasons(pod) == ["SidecarImage"]


def test_an_unknown_shape_is_refused_with_those_that_are_known() -> None:
    pod = injected()
    variable("SIDECAR_SHAPE", "99")(pod)
    found = violations(pod, settings=SETTINGS)
    assert re.search("of shape '99'; this broker knows 0, 1, 2", found[0].message)

"""`violations(pod)`: each breach of the credential's isolation has its own reason."""

import copy
from collections.abc import Mapping

import pytest

from sidecar.contract.words import SHAPE
from support.pods.isolation_edits import (
    CA,
    IMAGE,
    OTHER_CA,
    OURS,
    SETTINGS,
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
    spec,
    variable,
    volume,
)
from webhook.grant.isolation import violations
from webhook.grant.reasons import ViolationReason


def renamed(pod: Pod) -> None:
    ours(pod)["name"] = "other"


def together(*edits: Edit) -> Edit:
    def edit(pod: Pod) -> None:
        for one in edits:
            one(pod)

    return edit


def gate(*ports: str) -> Edit:
    def edit(pod: Pod) -> None:
        command = ours(pod)["lifecycle"]["postStart"]["exec"]["command"]
        command[5:] = ports

    return edit


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
    "SidecarRestartPolicy": [
        lambda pod: ours(pod).pop("restartPolicy"),
        field(restartPolicy="Never"),
        field(restartPolicyRules=[{"action": "Restart"}]),
    ],
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
    "SidecarDevice": [
        field(volumeDevices=[{"name": "d", "devicePath": "/dev/x"}]),
        field(resources={"claims": [{"name": "gpu"}]}),
        field(resources={"limits": {"example.com/fuse": "1"}}),
        field(resources={"requests": {"example.com/fuse": "1"}}),
        field(resources={"limits": {"deviceclass.resource.kubernetes.io/x": "1"}}),
    ],
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
        lambda pod: ours(pod).update(
            env=[entry for entry in ours(pod)["env"] if entry["name"] != "SIDECAR_SHAPE"]
        ),
    ],
    "SidecarVariable": [
        variable("SIDECAR_BROKER_URL", "https://elsewhere.example"),
        variable("SIDECAR_BROKER_URL", SETTINGS.broker_url + ".evil.example"),
        variable("SIDECAR_BROKER_CA", OTHER_CA),
        variable("SIDECAR_BROKER_CA", CA + OTHER_CA),
        variable("SIDECAR_BROKER_CA", CA + TRUSTED),
        variable("SIDECAR_BROKER_CA", ""),
        variable("SIDECAR_BROKER_CA", CA + "$(EVIL)\n"),
        variable("SIDECAR_FILES", '{"pip.conf": "$(EVIL)"}'),
        variable("SIDECAR_TOKEN_FILE", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
        variable("SIDECAR_CONFIG_DIR", "/var/run/secrets/x"),
        variable("SIDECAR_LOG_LEVEL", "trace"),
        variable("SIDECAR_LISTEN", "0.0.0.0:80"),
        variable("SIDECAR_LISTEN", "team/pypi=28100,"),
        variable("SIDECAR_LISTEN", ""),
        variable("SIDECAR_FILES", "[]"),
        variable("SIDECAR_FILES", '{"../x": "y"}'),
        variable("SIDECAR_FILES", "[" * 5000),
        added("SIDECAR_SHAPE", SHAPE),
        variable("SIDECAR_ORDER", "team/pypi"),
        variable("SIDECAR_ORDER", "team/pypi,"),
        variable("SIDECAR_ORDER", "team/pypi,team/$(OTHER)"),
        lambda pod: [added("SIDECAR_ORDER", "team/pypi,team/other")(pod) for _ in range(2)],
        added("SIDECAR_VOLUMES", "[]"),
        added("SIDECAR_VOLUMES", "[" * 5000),
        added("SIDECAR_VOLUMES", '{"files": []}'),
        added("SIDECAR_VOLUMES", '{"../files": {}}'),
        added("SIDECAR_VOLUMES", '{"pypi-connector-token": {}}'),
        added("SIDECAR_VOLUMES", '{"files": {"../pip.conf": ""}}'),
        variable("SIDECAR_FILES", '{"..": "y"}'),
        added("SIDECAR_GRANT_FD", "3"),
        added("SIDECAR_OF_A_LATER_VERSION", "x"),
        variable("SIDECAR_LOG_LEVEL", "info", valueFrom={"configMapKeyRef": {"name": "c", "key": "k"}}),
    ],
    "SidecarVariableForbidden": [
        *(added(name, "x") for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")),
        *(added(name, "x") for name in ("SSL_CERT_FILE", "SSLKEYLOGFILE", "OPENSSL_CONF", "NO_PROXY")),
        *(added(name, "x") for name in ("GLIBC_TUNABLES", "GCONV_PATH", "HOSTALIASES", "RES_OPTIONS")),
        *(added(name, "x") for name in ("HTTPS_PROXY", "https_proxy", "All_Proxy", "LOCALDOMAIN")),
        *(added(name, "x") for name in ("TZDIR", "LANGUAGE", "TMPDIR", "__PYVENV_LAUNCHER__")),
        *(added(name, "../../var/run/secrets/a") for name in ("TZ", "LANG", "LC_ALL")),
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
        together(volume("files", emptyDir={}), added("SIDECAR_VOLUMES", '{"files": {}}')),
        together(serves_volume, our_mount("files", mountPath="/usr/lib")),
        together(serves_volume, our_mount("files", subPath="x")),
        together(serves_volume, our_mount("files", readOnly=True)),
        together(serves_volume, our_mount("files", mountPropagation="Bidirectional")),
        together(serves_volume, mount("files", "/var/run/secrets/x")),
    ],
    "SidecarForeignMount": [
        mount("theirs", "/etc/pypi-connector-volumes/theirs"),
        together(serves_volume, mount("theirs", "/etc/pypi-connector-volumes/files/x")),
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
        mount("theirs", "/var/run/secrets/a", subPath="x"),
        mount("theirs", "/var/run/secrets/a", subPathExpr="$(X)"),
        mount("theirs", "/var/run/secrets/a", mountPropagation="HostToContainer"),
        mount("absent", "/var/run/secrets/a"),
        *(
            together(mount("other", "/var/run/secrets/a"), volume("other", **{kind: {}}))
            for kind in ("emptyDir", "hostPath", "persistentVolumeClaim", "csi", "ephemeral", "image")
        ),
        together(mount("theirs", "/var/run/secrets/a"), mount("theirs", "/var/run/secrets/a/x")),
        together(mount("theirs", "/var/run/secrets/a"), mount("theirs", "/var/run/secrets/a/")),
        together(*(mount("theirs", f"/var/run/secrets/{index}") for index in range(13))),
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
        together(serves_volume, volume("files", hostPath={"path": "/"})),
        together(serves_volume, volume("files", csi={"driver": "connectors-csi"})),
        together(serves_volume, lambda pod: pod["spec"]["volumes"].pop()),
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
        together(serves_volume, mount("files", "/c", "second")),
        together(serves_volume, mount("files", "/c", "prepare", readOnly=False)),
        together(serves_volume, ephemeral(volumeMounts=[{"name": "files", "mountPath": "/c"}])),
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


def test_every_reason_is_in_the_table() -> None:
    assert set(VIOLATIONS) == set(ViolationReason)


def test_all_violations_are_reported_at_once() -> None:
    pod = injected(hostAliases=[])
    for edit in (field(image="evil"), added("LD_PRELOAD", "x"), spec(hostPID=True)):
        edit(pod)
    assert reasons(pod) == ["SidecarImage", "SidecarVariableForbidden", "HostPID"]


def test_the_pod_is_not_changed() -> None:
    pod = injected()
    before = copy.deepcopy(pod)
    violations(pod, settings=SETTINGS)
    assert pod == before

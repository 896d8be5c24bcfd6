"""Guard 8 on the variables and mounts that others may add: the rule of `webhook/pod/additions.py`."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from support.checkout import MANIFESTS
from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, Act, Attack, title
from support.kubernetes.kube import Kube
from support.kubernetes.sidecar_edits import Edit, edited, volume
from webhook.pod.additions import (
    FORBIDDEN_VARIABLES,
    KUBELET_VOLUMES,
    LOCALE_VALUE_SIZE,
    LOCALE_VALUES,
    LOCALE_VARIABLES,
    MOUNTS_LIMIT,
    PATH_SIZE,
)
from webhook.pod.csi_volumes import VOLUMES_LIMIT

GUARD = "pypi-connector-isolation"
POLICY = MANIFESTS / "policies" / "isolation.yaml"

A = "/var/run/secrets/a"
PROJECTED = {"projected": {"sources": [{"serviceAccountToken": {"audience": "vault", "path": "token"}}]}}
STORAGE = {"resources": {"requests": {"storage": "1Gi"}}}
CLAIMED = {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], **STORAGE}}}
OF_AUTHORS: list[dict[str, Any]] = [
    {"emptyDir": {}},
    {"persistentVolumeClaim": {"claimName": "c"}},
    {"csi": {"driver": "csi.example"}},
    {"ephemeral": CLAIMED},
    {"image": {"reference": "example.test/files:1"}},
]
FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}

MOUNT = "container pypi-connector must not mount other volumes than its own"
WRITABLE = "container app mounts volume pypi-connector-config or theirs, and not with readOnly"
VARIABLE = "container pypi-connector must not have the variable "


def prepare(kube: Kube, namespace: str) -> None:
    """Each attack is a Pod of its own."""


def variable(name: str, value: str = "x", **entry: Any) -> Edit:
    added = entry or {"value": value}
    return lambda pod: guards.sidecar_of(pod)["env"].append({"name": name, **added})


def our_mount(path: str, name: str = "theirs", **values: Any) -> Edit:
    mount = {"name": name, "mountPath": path, **values}
    return lambda pod: guards.sidecar_of(pod)["volumeMounts"].append(mount)


def token(*paths: str, **values: Any) -> Act:
    """A volume that others may mount, in these places."""
    return edited(volume(**PROJECTED), *(our_mount(path, **values) for path in paths))


EMPTY: dict[str, Any] = {"emptyDir": {}}
FILES = {"name": "theirs", "mountPath": "/etc/pypi-connector-volumes/theirs"}


def served(source: dict[str, Any], *mounts: dict[str, Any]) -> Act:
    """A volume in the place of the driver's, which the sidecar and the workload mount."""
    ours, workload = (mounts[0] if mounts else FILES), mounts[1:]
    return edited(
        volume(**source),
        lambda pod: guards.sidecar_of(pod)["volumeMounts"].append(ours),
        lambda pod: pod["spec"]["containers"][0].setdefault("volumeMounts", []).extend(workload),
    )


def served_volumes(count: int) -> Act:
    names = [f"{'v' * 60}{index:02}" for index in range(count)]
    return edited(
        lambda pod: pod["spec"]["volumes"].extend({"name": name, "emptyDir": {}} for name in names),
        lambda pod: guards.sidecar_of(pod)["volumeMounts"].extend(
            {"name": name, "mountPath": f"/etc/pypi-connector-volumes/{name}"} for name in names
        ),
        volume(**PROJECTED),
        *(our_mount(f"{A}{index}{'x' * 230}") for index in range(12)),
    )


def crowd_of_volumes(count: int) -> Act:
    """CEL has a budget: an error would refuse the Pod."""
    secret_volumes = [{"name": f"v{index}", "secret": {"secretName": "s"}} for index in range(count)]
    mounts = [{"name": f"v{count - 1 - index}", "mountPath": f"{A}{index}"} for index in range(12)]
    return edited(
        lambda pod: pod["spec"]["volumes"].extend(secret_volumes),
        lambda pod: guards.sidecar_of(pod)["volumeMounts"].extend(mounts),
    )


ATTACKS = [
    Attack("config volume elsewhere", edited(our_mount("/usr/lib", "pypi-connector-config")), MOUNT),
    Attack("empty volume elsewhere", edited(our_mount(A, "pypi-connector-empty")), MOUNT),
    Attack("way out of the secrets", token("/var/run/secrets/../../usr"), MOUNT),
    Attack("volume over our program", token("/usr/lib"), MOUNT),
    Attack("volume beside the secrets", token("/var/run/secrets-x"), MOUNT),
    Attack("volume below a volume", token(A, f"{A}/x"), MOUNT),
    Attack("volume above a volume", token("/var/run/secrets/a/x/y", A), MOUNT),
    Attack("volume at a volume", token(A, "/var/run/secrets/a/"), MOUNT),
    Attack("volume below our token", token("/var/run/secrets/pypi-connector/x"), MOUNT),
    Attack("volume above our empty one", token("/var/run/secrets/kubernetes.io/"), MOUNT),
    Attack("a part of a volume", token(A, subPath="x"), MOUNT),
    Attack("a part by a variable", token(A, subPathExpr="$(X)"), MOUNT),
    Attack("what others mount", token(A, mountPropagation="HostToContainer"), MOUNT),
    Attack("thirteen volumes", token(*(f"/var/run/secrets/{index}" for index in range(13))), MOUNT),
    Attack("files in a claim", served({"persistentVolumeClaim": {"claimName": "c"}}), MOUNT),
    Attack("files in a volume of a driver", served({"csi": {"driver": "csi.example"}}), MOUNT),
    Attack("files elsewhere", served(EMPTY, {**FILES, "mountPath": "/etc/pypi-connector-volumes/x"}), MOUNT),
    Attack("files in a part", served(EMPTY, {**FILES, "subPath": "x"}), MOUNT),
    Attack("nine volumes with files", served_volumes(9), MOUNT),
    Attack(
        "files that a container may write",
        served(EMPTY, FILES, {**FILES, "mountPath": "/v"}),
        WRITABLE,
    ),
    Attack("a crowd of volumes", token(*(f"{A}{index}" for index in range(3000))), MOUNT),
    Attack("paths of a megabyte", token(*(f"{A}/{index}{'x' * 90_000}" for index in range(12))), MOUNT),
    Attack("a long path", token("/var/run/secrets/" + "x" * 256), MOUNT),
    *(
        Attack(f"{next(iter(source))} that an author fills", edited(volume(**source), our_mount(A)), MOUNT)
        for source in OF_AUTHORS
    ),
    Attack("a time zone's file", edited(variable("TZ", ":/var/run/secrets/a")), VARIABLE + "TZ"),
    Attack("a locale from a reference", edited(variable("LANG", valueFrom=FIELD)), VARIABLE + "LANG"),
    Attack("a long locale", edited(variable("LC_ALL", "x" * 100_000)), VARIABLE + "LC_ALL"),
    Attack("catalogs", edited(variable("LANGUAGE")), VARIABLE + "LANGUAGE"),
    Attack("_PYTHON_SYSCONFIGDATA_NAME", edited(variable("_PYTHON_SYSCONFIGDATA_NAME")), VARIABLE + "_PY"),
    Attack("LD_PRELOAD", edited(variable("LD_PRELOAD")), VARIABLE + "LD_PRELOAD"),
    Attack("HTTPS_PROXY", edited(variable("https_proxy"), variable("A")), VARIABLE + "https_proxy,"),
    Attack("__PYVENV_LAUNCHER__", edited(variable("__PYVENV_LAUNCHER__", A)), VARIABLE + "__PYVENV"),
    Attack("PATH", edited(variable("PATH")), VARIABLE + "PATH"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_adds_what_could_make_it_another_program(kube: Kube, guarded: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, AUTHOR), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_the_pod_would_start(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


HARMLESS: Mapping[str, Act] = {
    "a variable of theirs": edited(variable("AWS_REGION"), variable("MY_LD_PRELOAD")),
    "another product's token": token("/var/run/secrets/eks.amazonaws.com/serviceaccount"),
    "several tokens": token(*(f"/var/run/secrets/{name}" for name in ("a", "a-b", "a.b/c", "a.b/d/"))),
    "twelve tokens": token(*(f"/var/run/secrets/{index}".ljust(256, "x") for index in range(12))),
    "twelve tokens among thousands of volumes": crowd_of_volumes(5000),
    "a mount that says its defaults": token(A, subPath="", mountPropagation="None", readOnly=True),
    "fields of the Pod": edited(volume(downwardAPI={"items": []}), our_mount(A)),
    "files of the connector": served(EMPTY, FILES, {**FILES, "readOnly": True}),
    "eight volumes with files, and twelve tokens": served_volumes(8),
    "a ConfigMap": edited(volume(configMap={"name": "c"}), our_mount(A)),
    "a Secret": edited(volume(secret={"secretName": "s"}), our_mount(A)),
    "a time zone": edited(variable("TZ", "Europe/Berlin"), variable("LC_ALL", "de_DE.UTF-8@euro")),
}


@pytest.mark.parametrize("act", HARMLESS.values(), ids=list(HARMLESS))
def test_good_additions_pass(kube: Kube, guarded: str, act: Act) -> None:
    result = act(guards.as_person(kube, AUTHOR), guarded)
    assert result.returncode == 0, result.stderr


def test_what_others_may_add_is_what_the_broker_lets_them_add() -> None:
    policy = next(yaml.safe_load_all(POLICY.read_text()))
    in_cel = {one["name"]: one["expression"] for one in policy["spec"]["variables"]}
    texts = re.findall(r"'([^']*)'", in_cel["forbiddenVariables"])
    patterns = "".join(texts).split("(?i)^(")
    names = patterns[1].partition(")$")[0].split("|")
    lines = [line.partition("#")[0] for line in FORBIDDEN_VARIABLES.pattern.splitlines()]
    assert set(names) == {one.strip() for one in "".join(lines).split("|")}
    locale = patterns[2]
    assert locale.startswith(LOCALE_VARIABLES.pattern + ")$")
    assert f"^{LOCALE_VALUES.pattern.replace('(?:', '(')}$" in locale
    assert f"> {LOCALE_VALUE_SIZE}" in in_cel["forbiddenVariables"]
    kinds = re.findall(r"has\(v\.(\w+)\)", in_cel["kubeletVolumes"])
    assert tuple(kinds) == KUBELET_VOLUMES
    mounts = policy["spec"]["validations"][-1]["expression"]
    assert f"size(variables.served) <= {VOLUMES_LIMIT} " in mounts
    assert f"size(variables.served) <= {MOUNTS_LIMIT + 3} " in mounts
    assert f"size(m.mountPath) <= {PATH_SIZE} " in mounts

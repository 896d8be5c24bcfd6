"""Guard 8: the part of `violations(pod)` that CEL can express, on the sidecar and on the rest of its Pod."""

import copy
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from support.checkout import MANIFESTS, TESTS
from support.kubernetes import guards
from support.kubernetes.guards import (
    AUTHOR,
    PEOPLE,
    Act,
    Attack,
    Pod,
    add_ephemeral,
    create,
    ephemeral,
    title,
)
from support.kubernetes.kube import Kube
from webhook.pod.sidecar import FORBIDDEN_VARIABLES

GUARD = "pypi-connector-isolation"
POLICY = MANIFESTS / "policies" / "isolation.yaml"
CASES = TESTS / "cases" / "pods"

Edit = Callable[[Pod], object]
PROBE = {"exec": {"command": ["sh"]}, "periodSeconds": 10}


def prepare(kube: Kube, namespace: str) -> None:
    kube.create(guards.injected_pod(), guards.plain_pod("stranger"), namespace=namespace)


def edited(*edits: Edit) -> Act:
    pod = guards.injected_pod("thief", initContainers=[{"name": "first", "image": "example.test/first:1"}])
    for edit in edits:
        edit(pod)
    return create(pod)


def spec(**values: Any) -> Edit:
    return lambda pod: pod["spec"].update(values)


def ours(**values: Any) -> Edit:
    return lambda pod: guards.sidecar_of(pod).update(values)


def variable(name: str) -> Edit:
    return lambda pod: guards.sidecar_of(pod)["env"].append({"name": name, "value": "x"})


def security(**values: Any) -> Edit:
    return lambda pod: guards.sidecar_of(pod)["securityContext"].update(values)


def app(**values: Any) -> Edit:
    return lambda pod: pod["spec"]["containers"][0].update(values)


def first(**values: Any) -> Edit:
    return lambda pod: pod["spec"]["initContainers"][-1].update(values)


def hook(**values: Any) -> Edit:
    return lambda pod: guards.sidecar_of(pod)["lifecycle"].update(values)


def volume(**source: Any) -> Edit:
    return lambda pod: pod["spec"]["volumes"].append({"name": "theirs", **source})


def our_mount(path: str) -> Edit:
    return lambda pod: guards.sidecar_of(pod)["volumeMounts"].append({"name": "theirs", "mountPath": path})


def config_mount(path: str) -> Edit:
    def edit(pod: Pod) -> None:
        mounts = guards.sidecar_of(pod)["volumeMounts"]
        mounts.append({"name": "pypi-connector-config", "mountPath": path})

    return edit


def resources(**values: Any) -> Edit:
    return lambda pod: guards.sidecar_of(pod)["resources"].update(values)


def adding(*capabilities: str) -> dict[str, Any]:
    return {"securityContext": {"capabilities": {"add": list(capabilities)}}}


def copied(*options: str) -> Act:
    """`kubectl debug` makes a copy that shares its process namespace, without annotations unless told."""
    target = ("debug", "victim", f"--copy-to=copy-{secrets.token_hex(4)}", "--image=example.test/debug:1")
    return guards.kubectl(*target, "--attach=false", *options)


PRIVILEGED = {"securityContext": {"privileged": True}}
CONFIG = {"name": "pypi-connector-config", "mountPath": "/c"}
DEVICE = {"name": "theirs", "devicePath": "/dev/x"}

RULES = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [0]}}]
CLAIM = {"name": "gpu", "resourceClaimName": "gpu"}

SHARED = "must not set hostNetwork, hostPID or shareProcessNamespace"
UNCONFINED = "could read the memory of container pypi-connector"
AS_INJECTED = "container pypi-connector must be as it was injected, without args"
VARIABLE = "container pypi-connector must not have the variable "
DEVICES = "container pypi-connector must not have resources.claims or a device among its resources"
SECURITY = "the securityContext of container pypi-connector must be as it was injected"
MOUNT = "container pypi-connector must not mount other volumes than its own"

ATTACKS = [
    Attack("hostNetwork", edited(spec(hostNetwork=True)), SHARED),
    Attack("hostPID", edited(spec(hostPID=True)), SHARED),
    Attack("shareProcessNamespace", edited(spec(shareProcessNamespace=True)), SHARED),
    Attack("privileged container", edited(app(**PRIVILEGED)), "container app is privileged"),
    Attack("privileged init container", edited(first(**PRIVILEGED)), "container first is privileged"),
    Attack("SYS_PTRACE", edited(app(**adding("SYS_PTRACE"))), UNCONFINED),
    Attack("CAP_SYS_ADMIN", edited(app(**adding("NET_RAW", "CAP_SYS_ADMIN"))), UNCONFINED),
    Attack("all capabilities", edited(first(**adding("all"))), UNCONFINED),
    Attack("hostPath", edited(volume(hostPath={"path": "/proc"})), "volume theirs is a hostPath"),
    Attack("config volume", edited(app(volumeMounts=[CONFIG])), "container app mounts volume pypi-connector"),
    Attack("args", edited(ours(args=["-c", "x"])), AS_INJECTED),
    Attack("workingDir", edited(ours(workingDir="/tmp")), AS_INJECTED),
    Attack("envFrom", edited(ours(envFrom=[{"configMapRef": {"name": "c"}}])), AS_INJECTED),
    Attack("stdin", edited(ours(stdin=True)), AS_INJECTED),
    Attack("tty", edited(ours(tty=True)), AS_INJECTED),
    Attack("livenessProbe", edited(ours(livenessProbe=PROBE)), AS_INJECTED),
    Attack("readinessProbe", edited(ours(readinessProbe=PROBE)), AS_INJECTED),
    Attack("startupProbe", edited(ours(startupProbe=PROBE)), AS_INJECTED),
    Attack("preStop hook", edited(hook(preStop={"exec": {"command": ["sh"]}})), AS_INJECTED),
    Attack("restartPolicyRules", edited(ours(restartPolicyRules=RULES)), AS_INJECTED),
    Attack("terminationMessagePath", edited(ours(terminationMessagePath="/tmp/x")), AS_INJECTED),
    Attack("a claim", edited(spec(resourceClaims=[CLAIM]), resources(claims=[{"name": "gpu"}])), DEVICES),
    Attack("a device", edited(resources(limits={"example.com/fuse": "1"})), DEVICES),
    Attack("LD_PRELOAD", edited(variable("LD_PRELOAD")), VARIABLE + "LD_PRELOAD"),
    Attack("HTTPS_PROXY", edited(variable("https_proxy"), variable("A")), VARIABLE + "https_proxy,"),
    Attack("PATH", edited(variable("PATH")), VARIABLE + "PATH"),
    Attack("no securityContext", edited(ours(securityContext=None)), SECURITY),
    Attack("user root", edited(security(runAsNonRoot=False)), SECURITY),
    Attack("writable root", edited(security(readOnlyRootFilesystem=False)), SECURITY),
    Attack("escalation", edited(security(allowPrivilegeEscalation=True)), SECURITY),
    Attack("capabilities kept", edited(security(capabilities={"drop": ["NET_RAW"]})), SECURITY),
    Attack(
        "capability added", edited(security(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]})), SECURITY
    ),
    Attack("Unconfined seccomp", edited(security(seccompProfile={"type": "Unconfined"})), SECURITY),
    Attack("Unconfined AppArmor", edited(security(appArmorProfile={"type": "Unconfined"})), SECURITY),
    Attack("an SELinux type", edited(security(seLinuxOptions={"type": "spc_t"})), SECURITY),
    Attack("an SELinux user", edited(security(seLinuxOptions={"user": "system_u"})), SECURITY),
    Attack("unmasked proc", edited(spec(hostUsers=False), security(procMount="Unmasked")), SECURITY),
    Attack("the number of root", edited(security(runAsUser=0)), SECURITY),
    Attack("config volume elsewhere", edited(config_mount("/usr/lib")), MOUNT),
    Attack(
        "way out of the secrets", edited(volume(emptyDir={}), our_mount("/var/run/secrets/../../usr")), MOUNT
    ),
    Attack("volume over our program", edited(volume(emptyDir={}), our_mount("/usr/lib")), MOUNT),
    Attack("volume beside the secrets", edited(volume(emptyDir={}), our_mount("/var/run/secrets-x")), MOUNT),
    Attack("copy that shares its processes", copied("--keep-annotations"), SHARED),
    Attack("privileged debugger", add_ephemeral(ephemeral(**PRIVILEGED)), "container debugger is privileged"),
    Attack("debugger with SYS_ADMIN", add_ephemeral(ephemeral(**adding("SYS_ADMIN"))), UNCONFINED),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_looks_into_our_sidecar_or_alters_it(kube: Kube, guarded: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, AUTHOR), guarded)


@pytest.mark.parametrize("who", PEOPLE)
def test_not_even_an_administrator(kube: Kube, guarded: str, who: str) -> None:
    for attack in (ATTACKS[0], ATTACKS[-1]):  # on creation, and later
        guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_the_pod_would_start(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


HARMLESS: Mapping[str, Act] = {
    "as injected": edited(),
    "resources": edited(ours(resources={"limits": {"cpu": "1", "memory": "1Gi"}})),
    "a variable of theirs": edited(variable("AWS_REGION"), variable("MY_LD_PRELOAD")),
    "a user of OpenShift's": edited(security(runAsUser=1000700000, seLinuxOptions={"level": "s0:c1,c2"})),
    "another product's token": edited(volume(emptyDir={}), our_mount("/var/run/secrets/eks.amazonaws.com")),
    "a mirror of our image": edited(ours(image="mirror.example.test/pypi-connector-sidecar:1")),
    "other capabilities": edited(app(**adding("NET_BIND_SERVICE"))),
    "an own service account token": edited(app(volumeMounts=[{**CONFIG, "readOnly": True}])),
    "a stranger as they like": create(
        guards.plain_pod("x", hostPID=True, containers=[{"name": "app", "image": "i", **PRIVILEGED}])
    ),
    "a copy without our annotation, which gets no grant": copied(),
    "a privileged debugger of a stranger": add_ephemeral(ephemeral(**PRIVILEGED), target="pod/stranger"),
    "a debugger as kubectl makes it": add_ephemeral(
        ephemeral(targetContainerName="app", **adding("SYS_PTRACE"))
    ),
}


@pytest.mark.parametrize("act", HARMLESS.values(), ids=list(HARMLESS))
def test_good_edits_pass(kube: Kube, guarded: str, act: Act) -> None:
    result = act(guards.as_person(kube, AUTHOR), guarded)
    assert result.returncode == 0, result.stderr


def test_a_stranger_may_have_a_container_of_our_name(kube: Kube, guarded: str) -> None:
    """A Pod that asks for no connector gets no grant, so the guard ignores it."""
    pod = guards.plain_pod("x", initContainers=[{"name": "pypi-connector", "image": "i", "args": ["x"]}])
    guards.assert_passes(create(pod)(kube, guarded))
    out = copy.deepcopy(pod)
    out["metadata"]["annotations"] = {guards.CONNECTOR: "x", "connectors.alauda.io/inject": "false"}
    guards.assert_passes(create(out)(kube, guarded))


LIFTED_BY_LABEL = [
    edited(app(**PRIVILEGED)),
    edited(app(**adding("SYS_ADMIN"))),
    edited(volume(hostPath={"path": "/"})),
    add_ephemeral(ephemeral(**PRIVILEGED)),
]


def test_a_namespaces_label_lifts_what_admission_lets_it_lift(kube: Kube) -> None:
    with kube.namespace({"connectors.alauda.io/allow-unconfined": "true"}) as namespace:
        prepare(kube, namespace)
        for act in LIFTED_BY_LABEL:
            guards.assert_passes(act(kube, namespace))
        assert SHARED in edited(spec(hostPID=True))(kube, namespace).stderr


def test_only_the_value_true_lifts_it(kube: Kube) -> None:
    with kube.namespace({"connectors.alauda.io/allow-unconfined": "false"}) as namespace:
        assert UNCONFINED in edited(app(**PRIVILEGED))(kube, namespace).stderr


# -- with the broker and admission


def test_whatever_admission_injects_passes_every_guard(kube: Kube, guarded: str) -> None:
    for folder in sorted(path.parent for path in CASES.glob("*/after.yaml")):
        pod = yaml.safe_load((folder / "after.yaml").read_text())
        pod["metadata"].pop("namespace", None)
        pod["spec"].pop("serviceAccountName", None)
        result = create(pod)(kube, guarded)
        if folder.name == "allowed-unconfined":
            assert UNCONFINED in result.stderr
        else:
            guards.assert_passes(result)


def test_the_forbidden_variables_are_those_of_the_broker() -> None:
    policy = next(yaml.safe_load_all(POLICY.read_text()))
    found = next(
        one["expression"] for one in policy["spec"]["variables"] if one["name"] == "forbiddenVariables"
    )
    texts = re.findall(r"'([^']*)'", found.partition("matches(")[2].partition("))")[0] + "'")
    in_cel = set("".join(texts).removeprefix("(?i)^(").removesuffix(")$").split("|"))
    lines = [line.partition("#")[0] for line in FORBIDDEN_VARIABLES.pattern.splitlines()]
    assert in_cel == {one.strip() for one in "".join(lines).split("|")}

"""Guard 7: no Pod uses a Connector's Secret, by any field that can name a Secret."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, PEOPLE, Act, Attack, Pod, add_ephemeral, ephemeral, title
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-secret-reference"
SECRET = {"name": "registry"}
VARIABLE = {"name": "A", "valueFrom": {"secretKeyRef": {**SECRET, "key": "password"}}}
ALL_VARIABLES = {"secretRef": SECRET}


def prepare(kube: Kube, namespace: str) -> None:
    """Pods first: one of them is older than the Connector."""
    old = guards.plain_pod("old", volumes=[{"name": "v", "secret": {"secretName": "registry"}}])
    old["spec"]["containers"][0]["env"] = [VARIABLE]
    connectors = [
        {
            "apiVersion": "connectors.alauda.io/v1alpha1",
            "kind": "Connector",
            "metadata": {"name": name},
            "spec": {"connectorClassName": "pypi", "address": "https://pypi.example", **spec},
        }
        for name, spec in {
            "public": {},
            "private": {
                "auth": {"name": "basicAuth", "secretRef": SECRET},
                "caCertSecretRef": {"name": "ca"},
            },
        }.items()
    ]
    kube.create(old, guards.plain_pod(), *connectors, namespace=namespace)


def in_container(kind: str = "containers", **values: Any) -> Act:
    pod = guards.plain_pod("thief")
    container = {"name": "c", "image": "example.test/app:1", **values}
    pod["spec"][kind] = [*pod["spec"].get(kind, []), container]
    return create(pod)


def in_volume(**source: Any) -> Act:
    return create(guards.plain_pod("thief", volumes=[{"name": "v", **source}]))


def create(pod: Pod) -> Act:
    return guards.create(pod)


CONTAINER = "Secret registry belongs to Connector private and cannot be used by a Pod (variables of container"
VOLUME = "Secret registry belongs to Connector private and cannot be used by a Pod (volume v)"
CSI = {"driver": "example.test", "nodePublishSecretRef": SECRET}
ISCSI = {"targetPortal": "1.2.3.4", "iqn": "iqn.2015-02.example.com:test", "lun": 0}
SCALE_IO = {"gateway": "g", "system": "s", "volumeName": "v"}
ATTACKS = [
    Attack("variable", in_container(env=[VARIABLE]), CONTAINER + " c)"),
    Attack(
        "optional variable",
        in_container(
            env=[{"name": "A", "valueFrom": {"secretKeyRef": {**SECRET, "key": "x", "optional": True}}}]
        ),
        CONTAINER,
    ),
    Attack("all variables", in_container(envFrom=[{"prefix": "A", **ALL_VARIABLES}]), CONTAINER),
    Attack("variable of an init container", in_container("initContainers", env=[VARIABLE]), CONTAINER),
    Attack(
        "all variables of an init container",
        in_container("initContainers", envFrom=[ALL_VARIABLES]),
        CONTAINER,
    ),
    Attack("volume", in_volume(secret={"secretName": "registry"}), VOLUME),
    Attack(
        "projected volume",
        in_volume(projected={"sources": [{"configMap": {"name": "c"}}, {"secret": SECRET}]}),
        VOLUME,
    ),
    Attack("csi", in_volume(csi=CSI), VOLUME),
    Attack("flexVolume", in_volume(flexVolume={"driver": "example.test/d", "secretRef": SECRET}), VOLUME),
    Attack("iscsi", in_volume(iscsi={**ISCSI, "chapAuthSession": True, "secretRef": SECRET}), VOLUME),
    Attack("cinder", in_volume(cinder={"volumeID": "v", "secretRef": SECRET}), VOLUME),
    Attack("rbd", in_volume(rbd={"monitors": ["m"], "image": "i", "secretRef": SECRET}), VOLUME),
    Attack("cephfs", in_volume(cephfs={"monitors": ["m"], "secretRef": SECRET}), VOLUME),
    Attack("scaleIO", in_volume(scaleIO={**SCALE_IO, "secretRef": SECRET}), VOLUME),
    Attack("storageos", in_volume(storageos={"volumeName": "v", "secretRef": SECRET}), VOLUME),
    Attack("azureFile", in_volume(azureFile={"shareName": "s", "secretName": "registry"}), VOLUME),
    Attack(
        "ephemeral container's variable", add_ephemeral(ephemeral(env=[VARIABLE])), CONTAINER + " debugger)"
    ),
    Attack("ephemeral container's variables", add_ephemeral(ephemeral(envFrom=[ALL_VARIABLES])), CONTAINER),
    Attack(
        "ephemeral container on an old volume",
        add_ephemeral(ephemeral(volumeMounts=[{"name": "v", "mountPath": "/v"}]), target="pod/old"),
        VOLUME,
    ),
]


@pytest.fixture(scope="module", autouse=True)
def parameters_are_watched(kube: Kube, guarded: str) -> None:
    """Half a minute after the CustomResourceDefinition was made, at the latest."""
    guards.until(kube, ATTACKS[0].act, guarded, lambda result: guards.is_refused_by(GUARD, result))


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_no_pod_uses_a_connectors_secret(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_a_pod_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


OTHER = {"name": "other"}
HARMLESS: Mapping[str, Act] = {
    "another Secret": in_container(envFrom=[{"secretRef": OTHER}]),
    "another Secret as a volume": in_volume(secret={"secretName": "other"}),
    "a Secret of a like name": in_volume(secret={"secretName": "registry-2"}),
    "the CA's Secret": in_volume(secret={"secretName": "ca"}),
    "a ConfigMap of that name": in_container(envFrom=[{"configMapRef": SECRET}]),
    "a pull secret": create(guards.plain_pod("other", imagePullSecrets=[SECRET])),
    "no Secret": create(guards.plain_pod("other")),
    "an injected Pod": create(guards.injected_pod("ours")),
    "an update of an old Pod": guards.patch({"metadata": {"labels": {"app": "x"}}}, target="pod/old"),
    "an image of an old Pod": guards.kubectl(
        "set", "image", "--dry-run=server", "pod/old", "app=example.test/x"
    ),
    "debugging an old Pod": add_ephemeral(ephemeral(), target="pod/old"),
    "an ephemeral container with another Secret": add_ephemeral(ephemeral(envFrom=[{"secretRef": OTHER}])),
}


@pytest.mark.parametrize("act", HARMLESS.values(), ids=list(HARMLESS))
def test_everything_else_passes(kube: Kube, guarded: str, act: Act) -> None:
    result = act(guards.as_person(kube, AUTHOR), guarded)
    assert result.returncode == 0, result.stderr


def test_a_connector_of_another_namespace_takes_nothing_away(kube: Kube, guarded: str) -> None:
    """A Pod can name Secrets of its own namespace only."""
    assert "cannot be used" in ATTACKS[0].act(kube, guarded).stderr
    with kube.namespace() as elsewhere:
        guards.assert_passes(ATTACKS[0].act(kube, elsewhere))


# -- a Pod too large to be searched, which would be an error, which Ignore would let pass


def crowded(**spec: Any) -> Pod:
    pod = guards.plain_pod("thief", **spec)
    pod["spec"]["initContainers"] = [{"name": "first", "image": "example.test/app:1", "env": [VARIABLE]}]
    return pod


def crowds() -> Iterator[tuple[str, Pod]]:
    """50 000 volumes do exceed what an expression may cost; the others show that each kind is counted."""
    env = crowded()
    env["spec"]["containers"][0]["env"] = [{"name": f"A{number}"} for number in range(11_000)]
    yield "variables", env
    env_from = crowded()
    env_from["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "o"}}] * 11_000
    yield "groups of variables", env_from
    sources = [{"secret": {"name": "o"}}] * 11_000
    yield "sources", crowded(volumes=[{"name": "v", "projected": {"sources": sources}}])
    yield "volumes", crowded(volumes=[{"name": f"v{number}", "emptyDir": {}} for number in range(50_000)])
    yield "containers", crowded(containers=[{"name": f"c{number}", "image": "i"} for number in range(2_500)])


CROWDS = dict(crowds())


@pytest.mark.parametrize("pod", CROWDS.values(), ids=list(CROWDS))
def test_a_crowd_hides_nothing(kube: Kube, guarded: str, pod: Pod) -> None:
    result = create(pod)(kube, guarded)
    assert guards.is_refused_by(GUARD, result), result.stderr[-2000:]
    assert "too many containers, variables and volumes" in result.stderr


@pytest.mark.parametrize("count", [99, 100, 700])
def test_a_crowd_of_debuggers_hides_no_further_one(kube: Kube, guarded: str, count: int) -> None:
    """To find the new one each is compared with each, and 700 exceed what an expression may cost."""
    crowd = f"crowd-{count}"
    debuggers = [ephemeral(name=f"d{number:04d}-{'x' * 57}") for number in range(count)]
    kube.create(guards.plain_pod(crowd), namespace=guarded)
    add_ephemeral(*debuggers, target=f"pod/{crowd}", dry_run=False)(kube, guarded)
    thief = ephemeral(name="thief", envFrom=[ALL_VARIABLES])
    result = add_ephemeral(thief, target=f"pod/{crowd}")(kube, guarded)
    assert guards.is_refused_by(GUARD, result), result.stderr[-2000:]


def test_the_largest_pod_that_is_searched_is_searched_to_its_end(kube: Kube, guarded: str) -> None:
    """What the bound allows costs less than the API server does."""
    pod = guards.plain_pod("thief")
    other = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "r" * 200, "key": "k"}}}
    pod["spec"]["containers"][0]["env"] = [{**other, "name": f"A{number}"} for number in range(9_990)]
    guards.assert_passes(create(pod)(kube, guarded))
    pod["spec"]["containers"][0]["env"].append(VARIABLE)
    assert CONTAINER in create(pod)(kube, guarded).stderr
    wide = guards.plain_pod("thief")
    sources = [{"secret": {"name": "r" * 100}}] * 9_000
    wide["spec"]["volumes"] = [{"name": "w", "projected": {"sources": sources}}] + [
        {"name": f"v{number}", "emptyDir": {}} for number in range(1_500)
    ]
    wide["spec"]["volumes"].append({"name": "v", "secret": {"secretName": "registry"}})
    assert VOLUME in create(wide)(kube, guarded).stderr


def test_a_pod_that_uses_it_a_thousand_times_is_refused_with_a_sentence(kube: Kube, guarded: str) -> None:
    """All names together are longer than the API server lets a sentence be."""
    names = [f"c{number}-{'x' * 50}" for number in range(1_000)]
    containers = [{"name": name, "image": "i", "env": [VARIABLE]} for name in names]
    result = create(guards.plain_pod("thief", containers=containers))(kube, guarded)
    assert guards.is_refused_by(GUARD, result), result.stderr[-2000:]
    assert "the Pod uses a Secret that belongs to a Connector" in result.stderr


def test_connectors_without_a_secret_cost_next_to_nothing(kube: Kube, guarded: str) -> None:
    """Eve may make as many as she likes. Were the Pod searched for each, 1 000 would be half a minute of the
    API server's time for one Pod."""
    pod = guards.plain_pod("other")
    other = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}
    pod["spec"]["containers"][0]["env"] = [{**other, "name": f"A{number}"} for number in range(9_900)]

    def seconds() -> float:
        begin = time.monotonic()
        guards.assert_passes(create(pod)(kube, guarded))
        return time.monotonic() - begin

    few = min(seconds() for _ in range(3))
    spec = {"connectorClassName": "pypi", "address": "https://pypi.example"}
    public = {"apiVersion": "connectors.alauda.io/v1alpha1", "kind": "Connector", "spec": spec}
    kube.create(*({**public, "metadata": {"name": f"n{number}"}} for number in range(200)), namespace=guarded)
    assert min(seconds() for _ in range(3)) < 3 * few


# -- fields


def test_every_field_of_a_pod_that_names_a_secret_is_known(kube: Kube) -> None:
    """A version of Kubernetes that brings another one is to be looked at."""
    schemas = json.loads(kube.run("get", "--raw", "/openapi/v3/api/v1").stdout)["components"]["schemas"]
    found = set(_secret_fields(schemas, "io.k8s.api.core.v1.PodSpec"))
    assert found == {
        "containers.env.valueFrom.secretKeyRef",
        "containers.envFrom.secretRef",
        "ephemeralContainers.env.valueFrom.secretKeyRef",
        "ephemeralContainers.envFrom.secretRef",
        "imagePullSecrets",  # seen by the kubelet alone
        "initContainers.env.valueFrom.secretKeyRef",
        "initContainers.envFrom.secretRef",
        "volumes.azureFile.secretName",
        "volumes.cephfs.secretRef",
        "volumes.cinder.secretRef",
        "volumes.csi.nodePublishSecretRef",
        "volumes.flexVolume.secretRef",
        "volumes.iscsi.secretRef",
        "volumes.projected.sources.secret",
        "volumes.rbd.secretRef",
        "volumes.scaleIO.secretRef",
        "volumes.secret",
        "volumes.storageos.secretRef",
    }


def _secret_fields(schemas: Mapping[str, Any], kind: str, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, field in schemas[kind].get("properties", {}).items():
        here = (*path, name)
        if "secret" in name.lower() and name != "secretFile":  # of cephfs: a path on the node
            yield ".".join(here)
            continue
        inner = field.get("items", field)
        for reference in (inner, *inner.get("allOf", [])):
            if "$ref" in reference:
                yield from _secret_fields(schemas, reference["$ref"].rpartition("/")[2], here)

"""Injectors with typed models older than Kubernetes 1.28, beside ours on a real API server.

Such models do not know the `restartPolicy` of a container, so their patches remove it from every native
sidecar. The API server calls ours again after that, and ours repairs its container. Only one kind of injector
has the last word: its name sorts after ours, and it is called again after our repair.
"""

import re
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from support.checkout import MANIFESTS
from support.components.admissions import IMAGE, Process
from support.kubernetes.kube import Kube
from support.servers import injectors
from support.servers.injector_kinds import (
    API_SERVERS_WORDS,
    LAST_WORD,
    OUR_WORDS,
    REPAIRED,
    created,
    title,
    users_pod,
)
from support.servers.injectors import Injector
from webhook import names
from webhook.grant.isolation import violations
from webhook.pod.settings import Settings

Json = dict[str, Any]

POLICY_LABEL = {"policy.example/drops": "true"}
DROP = """
size(object.spec.?initContainers.orValue([])) > 0 && has(object.spec.initContainers[0].restartPolicy)
    ? [JSONPatch{op: "remove", path: "/spec/initContainers/0/restartPolicy"}] : []
"""
POD_RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
DROPPING_POLICY: tuple[Json, Json] = (
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "z-drops"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [POD_RULE],
                "namespaceSelector": {"matchLabels": POLICY_LABEL},
            },
            "reinvocationPolicy": "IfNeeded",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": DROP}}],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "z-drops"},
        "spec": {"policyName": "z-drops"},
    },
)


def containers(found: Json) -> dict[str, Json]:
    every = [*found["spec"]["initContainers"], *found["spec"]["containers"]]
    return {container["name"]: container for container in every}


def assert_ours_is_whole(found: Json, reference: Json, injector: Injector) -> None:
    ours, expected = found["spec"]["initContainers"][0], reference["spec"]["initContainers"][0]
    sees_ours = (injector.order, injector.reinvocation) != ("before", "Never")
    adds = sees_ours and injector.addition == "variable"
    added = [{"name": "OLD_INJECTOR", "value": "yes"}] if adds else []
    assert ours == {**expected, "env": [*expected["env"], *added]}
    volumes = {volume["name"]: volume for volume in found["spec"]["volumes"]}
    for volume in reference["spec"]["volumes"]:
        if volume["name"].startswith(names.SIDECAR):
            assert volumes[volume["name"]] == volume


def assert_others_are_as_the_injector_left_them(found: Json, alone: Json) -> None:
    """Ours adds variables and mounts to each container, and changes nothing else."""
    after, before = containers(found), containers(alone)
    assert set(after) == {*before, names.SIDECAR}
    for name, container in before.items():
        for field, value in container.items():
            if field in ("env", "volumeMounts"):
                assert [item for item in after[name][field] if item in value] == value
            else:
                assert after[name][field] == value, f"{field} of {name}"
        assert set(after[name]) <= {*container, "env", "volumeMounts"}
    changed = {field for field, value in alone["spec"].items() if found["spec"][field] != value}
    assert changed <= {"initContainers", "containers", "volumes", "imagePullSecrets"}


@pytest.mark.parametrize("injector", REPAIRED, ids=title)
def test_ours_has_the_last_word_and_repairs_its_container(
    kube: Kube, admission: Process, shared: str, reference: Json, injector: Injector
) -> None:
    with kube.namespace(injector.label) as namespace:
        found = created(kube, users_pod(shared), namespace)
        alone = created(kube, users_pod(shared, **{names.INJECT: "false"}), namespace)
    assert_ours_is_whole(found, reference, injector)
    settings = Settings(sidecar_image=IMAGE, allowed_images=(IMAGE,), broker_ca=(admission.ca,))
    assert violations(found, settings=settings) == []
    assert_others_are_as_the_injector_left_them(found, alone)
    # it breaks the user's own sidecar, with or without us: nothing of others is ours to repair
    assert "restartPolicy" not in containers(alone)["own"]


@pytest.mark.parametrize("injector", REPAIRED, ids=title)
def test_a_pod_whose_namespace_asks_is_repaired_as_well(
    kube: Kube, shared: str, reference: Json, injector: Injector
) -> None:
    """In the second round it names a connector, but the API server calls only webhooks of the first."""
    plain = users_pod(shared)
    del plain["metadata"]["annotations"]
    with kube.namespace({**injector.label, names.INJECT: names.OPTED_IN}) as namespace:
        kube.run("annotate", "namespace", namespace, f"{names.CONNECTOR}={shared}")
        kube.wait_for(
            lambda: names.SIDECAR in str(created(kube, plain, namespace)), what="the annotation to be seen"
        )
        found = created(kube, plain, namespace)
    assert_ours_is_whole(found, reference, injector)


@pytest.mark.parametrize("injector", LAST_WORD, ids=title)
def test_an_injector_with_the_last_word_ends_in_a_refusal_and_a_sentence_of_ours(
    kube: Kube, shared: str, injector: Injector
) -> None:
    """The API server refuses the Pod before it asks any policy, guard 4 too. Its sentence names no cause."""
    with kube.namespace(injector.label) as namespace:
        said = kube.refused(users_pod(shared), namespace=namespace)
        assert OUR_WORDS in said
        assert "docs/guards.md" in said
        assert API_SERVERS_WORDS in said
        kube.create(users_pod(shared, **{names.INJECT: "false"}), namespace=namespace)


def test_an_injector_with_models_of_1_28_does_no_harm_wherever_it_runs(
    kube: Kube, shared: str, reference: Json, tmp_path: Path
) -> None:
    """It is the remedy: the same injector, built with a newer client."""
    newer = Injector("after", "IfNeeded", "whole", "variable", "models-1-28")
    with (
        injectors.serving(newer.models, tmp_path) as server,
        injectors.registered(kube, newer, server=server),
        kube.namespace(newer.label) as namespace,
    ):
        assert kube.create(users_pod(shared), namespace=namespace).stderr == ""
        found = kube.get("pod", "build", namespace)
    assert_ours_is_whole(found, reference, newer)
    assert containers(found)["own"]["restartPolicy"] == "Always"


def test_where_the_hook_is_dropped_too_guard_4_says_why(
    kube: Kube, shared: str, reference: Json, tmp_path: Path
) -> None:
    """An injector with models of its own, which have a few fields. The API server takes what it leaves."""
    last, once = (Injector("after", policy, "whole", "few-fields") for policy in ("IfNeeded", "Never"))
    with (
        injectors.serving(last.models, tmp_path) as server,
        injectors.registered(kube, last, once, server=server),
        kube.namespace(last.label) as refusing,
        kube.namespace(once.label) as repairing,
    ):
        found = created(kube, users_pod(shared), refusing)
        assert "restartPolicy" not in containers(found)[names.SIDECAR]
        policy = (MANIFESTS / "policies" / "injected.yaml").read_text()
        kube.apply(policy)
        try:
            said = kube.wait_for(lambda: refusal(kube, users_pod(shared), refusing), what="guard 4 to hold")
            found = created(kube, users_pod(shared), repairing)
        finally:
            kube.run("delete", "-f", "-", stdin=policy)
    assert "another webhook dropped restartPolicy from the injected container pypi-connector" in said
    assert "dropped restartPolicy, lifecycle, securityContext from container pypi-connector" in said
    assert_ours_is_whole(found, reference, once)


def refusal(kube: Kube, manifest: Json, namespace: str) -> str:
    """The sentence, or nothing: then there is no Pod either."""
    result = kube.create(manifest, namespace=namespace, check=False)
    if result.returncode == 0:
        kube.delete("pod", manifest["metadata"]["name"], namespace, now=True)
        return ""
    return result.stderr


@pytest.mark.parametrize("inject", ["true", "false"])
def test_a_users_own_sidecar_with_a_hook_is_refused_with_or_without_ours(
    kube: Kube, shared: str, inject: str
) -> None:
    """The sentence names its place, which is not the first if ours is there."""
    manifest = users_pod(shared, **{names.INJECT: inject})
    own = manifest["spec"]["initContainers"][1]
    own["lifecycle"] = {"postStart": {"exec": {"command": ["true"]}}}
    with kube.namespace(Injector("after", "Never").label) as namespace:
        said = kube.refused(manifest, namespace=namespace)
    place = 2 if inject == "true" else 1
    assert re.findall(r"initContainers\[(\d)\]\.lifecycle: Forbidden: may not be set", said) == [str(place)]


def test_old_injectors_on_both_sides_are_repaired(kube: Kube, shared: str, reference: Json) -> None:
    """The one before ours is called again, because the one after ours has changed the Pod."""
    both = [Injector("before", "IfNeeded", "whole"), Injector("after", "Never", "whole", "variable")]
    with kube.namespace({**both[0].label, **both[1].label}) as namespace:
        found = created(kube, users_pod(shared), namespace)
    assert_ours_is_whole(found, reference, both[1])


def test_a_mutating_policy_never_has_the_last_word(kube: Kube, shared: str, reference: Json) -> None:
    """The API server applies policies before webhooks, in each round."""
    kube.apply(*DROPPING_POLICY)
    with kube.namespace(POLICY_LABEL) as namespace:

        def is_reported() -> bool:
            said = kube.create(users_pod(shared), namespace=namespace).stderr
            if OUR_WORDS in said:
                return True
            kube.delete("pod", "build", namespace, now=True)
            return False

        kube.wait_for(is_reported, what="the policy to be in effect")
        found = kube.get("pod", "build", namespace)
    assert found["spec"]["initContainers"][0] == reference["spec"]["initContainers"][0]


@pytest.mark.parametrize(("models", "dropped"), [("models-1-27", ["restartPolicy"]), ("models-1-28", [])])
def test_models_of_kubernetes_1_28_know_all_fields_of_ours(
    reference: Json, models: injectors.Models, dropped: list[str]
) -> None:
    """A newer field would be dropped by injectors that today do no harm."""
    ours = {
        "spec": {
            "initContainers": reference["spec"]["initContainers"][:1],
            "containers": [],
            "volumes": [one for one in reference["spec"]["volumes"] if one["name"].startswith(names.SIDECAR)],
        }
    }
    patch = jsonpatch.make_patch(ours, injectors.left_by(models, ours))
    assert [operation["path"].rpartition("/")[2] for operation in patch] == dropped

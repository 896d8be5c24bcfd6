"""All guards together: their types are correct, applying them again changes nothing, other Pods pass."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.checkout import MANIFESTS, ROOT, TESTS
from support.kubernetes import guards
from support.kubernetes.kube import Kube
from support.scenarios import product
from webhook import names
from webhook.pod.csi_volumes import driver_volumes

FOLDER = MANIFESTS / "policies"
CASES = TESTS / "cases" / "pods"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
OBJECTS = [one for path in FILES for one in yaml.safe_load_all(path.read_text())]
POLICIES = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"].endswith("Policy")}
BINDINGS = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"].endswith("Binding")}


def test_every_file_is_installed_and_says_against_whom_it_is() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == [path.name for path in FILES]
    for path in FILES:
        assert "\n# Against: " in path.read_text(), path.name


@pytest.mark.parametrize("name", ["pypi-connector-frozen", "pypi-connector-frozen-binding"])
def test_every_annotation_of_ours_is_frozen_by_its_name(name: str) -> None:
    text = json.dumps(POLICIES[name])
    for annotation in (*names.AUTHOR_ANNOTATIONS, names.RESULT, names.CSI_VOLUMES):
        assert f"'{annotation.removeprefix(names.GROUP + '/')}'" in text


WARNING = ("misplaced", "misspelt", "misspelt-namespace", "secret-release")


def test_every_guard_denies_but_those_that_warn() -> None:
    assert set(BINDINGS) == set(POLICIES)
    actions = {name: tuple(one["spec"]["validationActions"]) for name, one in BINDINGS.items()}
    for name in WARNING:
        assert actions.pop(f"pypi-connector-{name}") == ("Warn",)
    assert all("Deny" in chosen for chosen in actions.values())
    for name, one in BINDINGS.items():
        assert one["spec"]["policyName"] == name
        assert "matchResources" not in one["spec"]


def test_every_guard_is_in_the_documentation_with_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "guards.md").read_text()
    assert [name for name in POLICIES if f"`{name}`" not in page] == []
    tests = [word.strip("`") for word in page.split() if word.startswith("`test_")]
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert set(tests) == here


def test_the_api_server_finds_no_wrong_type_in_them(kube: Kube) -> None:
    """It reads the expressions against the schema of each kind that they are for, and reports by status."""
    for name in POLICIES:
        found = kube.wait_for(
            lambda name=name: _checked(kube.get("validatingadmissionpolicy", name)),  # type: ignore[misc]
            what=f"the types of {name} to be checked",
        )
        assert found.get("expressionWarnings", []) == [], name


def _checked(policy: dict[str, Any]) -> dict[str, Any]:
    """Empty where the API server has not come to it yet."""
    status = policy.get("status", {})
    is_current = status.get("observedGeneration") == policy["metadata"]["generation"]
    return {"checked": True, **status.get("typeChecking", {})} if is_current else {}


def test_applying_them_again_changes_nothing(kube: Kube) -> None:
    said = kube.run("apply", "-k", str(FOLDER)).stdout.splitlines()
    assert len(said) == len(OBJECTS)
    assert [line for line in said if not line.endswith(" unchanged")] == []


# -- who is not meant


def unasked(pod: dict[str, Any]) -> dict[str, Any]:
    pod = copy.deepcopy(pod)
    metadata = pod.get("metadata") or {}
    metadata.pop("namespace", None)
    metadata["annotations"] = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if not key.startswith("connectors.alauda.io/")
    } or None
    spec = pod.get("spec") or {}
    spec.pop("serviceAccountName", None)
    asking = list(driver_volumes(pod))
    spec["volumes"] = [volume for volume in spec.get("volumes") or [] if volume not in asking]
    return pod


def test_a_pod_that_asks_for_nothing_is_never_refused(kube: Kube, namespace: str) -> None:
    """Each of these Pods breaks a rule for Pods that ask, or has an unusual shape."""
    for folder in sorted(path.parent for path in CASES.glob("*/pod.yaml")):
        pod = unasked(yaml.safe_load((folder / "pod.yaml").read_text()))
        if folder.name in ("already-injected", "volume-misused"):
            continue  # holds parts of ours
        result = guards.create(pod)(kube, namespace)
        refusals = [line for line in result.stderr.splitlines() if not line.startswith("Warning: ")]
        assert "ValidatingAdmissionPolicy" not in "".join(refusals), folder.name


def test_a_pod_of_the_fewest_fields_passes_everywhere(kube: Kube, namespace: str) -> None:
    least = {"spec": {"containers": [{"name": "a", "image": "b"}]}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"}, **least}
    kube.create(json.dumps(pod), namespace=namespace)
    name = kube.list("pods", namespace)[0]["metadata"]["name"]
    kube.run("-n", namespace, "label", f"pod/{name}", "app=x")
    assert guards.add_ephemeral(guards.ephemeral(), target=f"pod/{name}")(kube, namespace).returncode == 0


OWN_KINDS = ("Namespace", "ServiceAccount")
"""What the product's Pods need to be created; one of the guards reads both."""


def test_the_products_own_pods_pass(kube: Kube, tmp_path: Path) -> None:
    """In their namespace and as their ServiceAccounts, with the optional part."""
    product.overlay_with_gateway(tmp_path)
    rendered = list(yaml.safe_load_all(kube.run("kustomize", str(tmp_path)).stdout))
    deployments = [one for one in rendered if one["kind"] == "Deployment"]
    assert {one["metadata"]["name"] for one in deployments} == {names.ADMISSION, names.BROKER, names.GATEWAY}
    kube.apply(*(one for one in rendered if one["kind"] in OWN_KINDS))
    for one in deployments:
        template = one["spec"]["template"]
        metadata = {"name": "a", **template["metadata"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        result = guards.create(pod)(kube, names.NAMESPACE)
        guards.assert_passes(result)
        assert "Warning" not in result.stderr
    # the Pods of other modules there are not confined
    labels = (f"pod-security.kubernetes.io/{mode}-" for mode in ("enforce", "audit", "warn"))
    kube.run("label", "namespace", names.NAMESPACE, *labels)


def test_more_annotations_than_anybody_has_are_no_error(kube: Kube, namespace: str) -> None:
    """An expression may cost so much, and no more. (45 000, about the 256 KiB that are allowed, pass as well,
    in half a minute.)"""
    pod = guards.plain_pod()
    pod["metadata"]["annotations"] = {f"{number:x}": "" for number in range(10_000)}
    kube.create(pod, namespace=namespace)
    kube.run("-n", namespace, "label", "pod/victim", "app=x")


# -- where the kind Connector is not known


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}},
}
WITH_PARAMETERS = {
    "pypi-connector-secret-reference": guards.create(guards.plain_pod()),
    "pypi-connector-proxy-service": guards.create(SERVICE),
}


def test_these_are_all_that_need_the_kind_connector() -> None:
    assert {name for name, one in POLICIES.items() if "paramKind" in one["spec"]} == set(WITH_PARAMETERS)


@pytest.fixture(params=WITH_PARAMETERS)
def guard(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def unknown_kind(kube: Kube, namespace: str, guard: str) -> Iterator[dict[str, Any]]:
    """A guard for a kind that does not exist, in one namespace."""
    policy = copy.deepcopy(POLICIES[guard])
    binding = copy.deepcopy(BINDINGS[guard])
    policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = "unknown-kind"
    policy["spec"]["paramKind"]["kind"] = "Absent"
    only = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy["spec"]["matchConstraints"]["namespaceSelector"] = only
    yield {"policy": policy, "binding": binding}
    kube.delete("validatingadmissionpolicybinding", "unknown-kind")
    kube.delete("validatingadmissionpolicy", "unknown-kind")


def test_without_the_kind_connector_everything_is_written_as_ever(
    kube: Kube, namespace: str, guard: str, unknown_kind: dict[str, Any]
) -> None:
    """Before the CustomResourceDefinition is served and after it was removed. Under Fail, nothing would."""
    act = WITH_PARAMETERS[guard]
    fail = copy.deepcopy(unknown_kind)
    fail["policy"]["spec"]["failurePolicy"] = "Fail"
    kube.apply(*fail.values())
    guards.until(kube, act, namespace, lambda result: guards.is_refused_by("unknown-kind", result))
    kube.apply(*unknown_kind.values())
    guards.assert_passes(guards.until(kube, act, namespace, lambda result: result.returncode == 0))

"""Guard 2, changes: a Pod keeps what it was admitted with; everything else can change as usual."""

import json
from collections.abc import Mapping

import pytest

from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, PEOPLE, Act, Attack, kubectl, patch, title
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-frozen"
LIFTED = ("pypi-connector-frozen-binding",)

STATUS = "--subresource=status"
PRIVILEGED = {"name": "app", "image": "example.test/app:1", "securityContext": {"privileged": True}}


def prepare(kube: Kube, namespace: str) -> None:
    out = guards.asking_pod("opted-out")
    out["metadata"]["annotations"]["connectors.alauda.io/inject"] = "false"
    beside = guards.plain_pod("privileged", containers=[PRIVILEGED])
    kube.create(guards.injected_pod(), guards.plain_pod("stranger"), out, beside, namespace=namespace)


def annotated(**values: str | None) -> dict[str, object]:
    found = {f"connectors.alauda.io/{name.replace('_', '-')}": value for name, value in values.items()}
    return {"metadata": {"annotations": found}}


def labelled(value: str | None) -> dict[str, object]:
    return {"metadata": {"labels": {"connectors.alauda.io/injected": value}}}


def image(
    container: str, *, kind: str = "containers", value: str = "example.test/other:2"
) -> dict[str, object]:
    return {"spec": {kind: [{"name": container, "image": value}]}}


def bound(
    annotations: Mapping[str, str], labels: Mapping[str, str], resource: str = "pods/stranger/binding"
) -> Act:
    """As a scheduler would bind the Pod; it is not kept."""
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "stranger", "annotations": annotations, "labels": labels},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node"},
    }

    def act(kube: Kube, namespace: str) -> guards.Result:
        path = f"/api/v1/namespaces/{namespace}/{resource}?dryRun=All"
        return kube.run("create", "--raw", path, "-f", "-", stdin=json.dumps(binding), check=False)

    return act


ADDED = "annotation connectors.alauda.io/connector cannot be added, changed or removed"
ATTACKS = [
    Attack("other connector", patch(annotated(connector="other/secret")), ADDED),
    Attack("no connector", patch(annotated(connector=None)), ADDED),
    Attack(
        "kubectl annotate",
        kubectl(
            "annotate", "--dry-run=server", "--overwrite", "pod/victim", "connectors.alauda.io/connector=x"
        ),
        ADDED,
    ),
    Attack("another annotation of ours", patch(annotated(publish_connector="x")), "publish-connector cannot"),
    Attack("an annotation without a value", patch(annotated(containers="")), "containers cannot"),
    Attack("the webhook's result", patch(annotated(result=None)), "result cannot be"),
    Attack("the volumes that are served", patch(annotated(csi_volumes="{}")), "csi-volumes cannot be"),
    Attack("connector for a running Pod", patch(annotated(connector="pypi"), target="pod/stranger"), ADDED),
    Attack(
        "beside a privileged container", patch(annotated(connector="pypi"), target="pod/privileged"), ADDED
    ),
    Attack("opted in later", patch(annotated(inject=None), target="pod/opted-out"), "inject cannot be"),
    Attack("by a status update", patch(annotated(connector="other/secret"), STATUS), ADDED),
    Attack(
        "by a status update of another Pod",
        patch(annotated(connector="x"), STATUS, target="pod/stranger"),
        ADDED,
    ),
    Attack("label removed", patch(labelled(None)), "label connectors.alauda.io/injected cannot"),
    Attack("label changed", patch(labelled("false")), "label connectors.alauda.io/injected cannot"),
    Attack("label on another Pod", patch(labelled("true"), target="pod/stranger"), "injected cannot"),
    Attack("label by a status update", patch(labelled(None), STATUS), "injected cannot"),
    Attack(
        "image",
        patch(image("pypi-connector", kind="initContainers"), kind="strategic"),
        "the image of container",
    ),
    Attack(
        "kubectl set image",
        kubectl("set", "image", "--dry-run=server", "pod/victim", "pypi-connector=example.test/x"),
        "the image of container pypi-connector",
    ),
    Attack(
        "image beside a harmless change",
        kubectl(
            "set",
            "image",
            "--dry-run=server",
            "pod/victim",
            "app=example.test/x",
            "pypi-connector=example.test/x",
        ),
        "the image of container pypi-connector",
    ),
]
BINDINGS = [
    Attack("annotation", bound({"connectors.alauda.io/connector": "pypi"}, {}), "a Binding must not bring"),
    Attack(
        "annotation in the old way",
        bound({"connectors.alauda.io/connector": "pypi"}, {}, "bindings"),
        "a Binding must not bring",
    ),
    Attack("label", bound({}, {"connectors.alauda.io/injected": "true"}), "a Binding must not bring"),
]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_changes_what_was_admitted(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_the_pods_author_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", BINDINGS, ids=title)
def test_nor_does_a_binding(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    guards.assert_refused("pypi-connector-frozen-binding", attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", BINDINGS, ids=title)
def test_without_the_guard_a_binding_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    policy = "pypi-connector-frozen-binding"
    guards.assert_succeeds_unguarded(policy, attack, guards.as_person(kube, AUTHOR), unguarded)


@pytest.mark.parametrize("subresource", ["ephemeralcontainers", "resize"])
def test_the_other_ways_to_write_a_pod_leave_its_annotations_out(
    kube: Kube, guarded: str, subresource: str
) -> None:
    """The API server's own doing, on which the guard relies: it does not look at these."""
    act = patch(annotated(connector="x"), f"--subresource={subresource}", "-o", "json", target="pod/stranger")
    result = act(guards.as_person(kube, AUTHOR), guarded)
    assert result.returncode == 0, result.stderr
    assert guards.CONNECTOR not in json.loads(result.stdout)["metadata"].get("annotations", {})


HARMLESS: Mapping[str, Act] = {
    "image of another container": patch(image("app"), kind="strategic"),
    "kubectl set image": kubectl("set", "image", "--dry-run=server", "pod/victim", "app=example.test/x"),
    "other annotations": kubectl("annotate", "--dry-run=server", "pod/victim", "example.test/note=x"),
    "other labels": kubectl("label", "--dry-run=server", "pod/victim", "app=x"),
    "an annotation of a like name": patch({"metadata": {"annotations": {"x.connectors.alauda.io/a": "x"}}}),
    "no annotations where none are ours": patch({"metadata": {"annotations": None}}, target="pod/stranger"),
    "labels of another Pod": kubectl("label", "--dry-run=server", "pod/stranger", "app=x"),
    "image of another Pod": kubectl("set", "image", "--dry-run=server", "pod/stranger", "app=example.test/x"),
    "toleration": patch({"spec": {"tolerations": [{"key": "a", "operator": "Exists"}]}}),
    "deadline": patch({"spec": {"activeDeadlineSeconds": 60}}),
    "finalizer": patch({"metadata": {"finalizers": ["example.test/held"]}}),
    "a status": patch({"status": {"conditions": [{"type": "example.test/Ready", "status": "True"}]}}, STATUS),
    "a binding": bound({"example.test/note": "x"}, {}),
    "the same annotation again": patch(annotated(connector="pypi")),
}


STUCK_SECONDS = 20.0
"""An update of this Pod takes the API server about a second, and took 34 while the guard went through all"""


def test_a_pod_of_fifty_thousand_annotations_costs_the_api_server_no_more_than_others(
    kube: Kube, guarded: str
) -> None:
    crowded = guards.plain_pod("crowded")
    crowded["metadata"]["annotations"] = {f"{number:x}": "" for number in range(50_000)}
    path = f"/api/v1/namespaces/{guarded}/pods"
    kube.run("create", "--raw", path, "-f", "-", stdin=json.dumps(crowded))
    kube.run("label", "pod/crowded", "-n", guarded, "app=x", timeout=STUCK_SECONDS)


@pytest.mark.parametrize("act", HARMLESS.values(), ids=list(HARMLESS))
def test_everything_else_can_be_changed(kube: Kube, guarded: str, act: Act) -> None:
    result = act(guards.as_person(kube, AUTHOR), guarded)
    assert result.returncode == 0, result.stderr


def test_the_kubelet_writes_the_status(kube: Kube, guarded: str) -> None:
    pod = guards.injected_pod("on-a-node")
    pod["spec"]["nodeName"] = "guards-node"
    kube.create(pod, namespace=guarded)
    running = kube.get("pod", "on-a-node", guarded) | {"status": {"phase": "Running"}}
    path = f"/api/v1/namespaces/{guarded}/pods/on-a-node/status"
    guards.as_kubelet(kube).run("replace", "--raw", path, "-f", "-", stdin=json.dumps(running))
    assert kube.get("pod", "on-a-node", guarded)["status"]["phase"] == "Running"


def test_the_garbage_collector_takes_an_owner_away(kube: Kube, guarded: str) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
    kube.create(owner, namespace=guarded)
    uid = kube.get("configmap", "owner", guarded)["metadata"]["uid"]
    pod = guards.injected_pod("owned")
    pod["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    ]
    kube.create(pod, namespace=guarded)
    kube.run("-n", guarded, "delete", "configmap", "owner", "--cascade=orphan", "--wait=false")
    kube.wait_for(
        lambda: "ownerReferences" not in kube.get("pod", "owned", guarded)["metadata"],
        what="the garbage collector to let the Pod go",
    )


def test_a_deployment_is_restarted_and_its_pods_deleted(kube: Kube, guarded: str) -> None:
    template = guards.asking_pod()
    del template["metadata"]["name"]
    template["metadata"]["labels"] = {"app": "x"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "roll"},
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        },
    }
    author = guards.as_person(kube, AUTHOR)
    author.create(deployment, namespace=guarded)
    author.run("-n", guarded, "rollout", "restart", "deployment/roll")
    author.patch(
        "deployment",
        "roll",
        {"spec": {"template": {"metadata": {"annotations": {guards.CONNECTOR: "x"}}}}},
        guarded,
    )
    author.create(guards.injected_pod("short"), namespace=guarded)
    author.delete("pod", "short", guarded, now=True)

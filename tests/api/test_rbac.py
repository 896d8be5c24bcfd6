"""Rights: exactly the needs of each component, and the roles of people and workloads.

Expectations are whole tables, so an added right fails as well as a missing right.
"""

import json
from collections.abc import Iterator

import pytest

from support.checkout import MANIFESTS
from support.kubernetes.kube import Kube
from webhook import names

Rights = set[str]
"""`verb resource`, or `verb resource/sub=name` where it is narrowed to a name"""

ADMISSION: Rights = {
    "get connectors",
    "list connectors",
    "watch connectors",
    "get namespaces",
    "list namespaces",
    "watch namespaces",
    "get connectorclasses",
    "list connectorclasses",
    "watch connectorclasses",
    "get resourcequotas",
    "list resourcequotas",
    "watch resourcequotas",
    "get limitranges",
    "list limitranges",
    "watch limitranges",
    "get csidrivers",
    "list csidrivers",
    "watch csidrivers",
}
BROKER: Rights = {
    "create tokenreviews",
    "create subjectaccessreviews",
    "get pods",
    "get secrets",
    "create events",
    "patch events",
    "get connectors",
    "list connectors",
    "watch connectors",
    "patch connectors/status",
    "get connectorclasses",
    "list connectorclasses",
    "watch connectorclasses",
    "create connectorclasses",
    "patch connectorclasses/status",
    f"get mutatingwebhookconfigurations={names.WEBHOOK_CONFIGURATION}",
    f"patch mutatingwebhookconfigurations={names.WEBHOOK_CONFIGURATION}",
}
BROKER_AT_HOME: Rights = {
    "create secrets",
    *(
        f"{verb} secrets={name}"
        for verb in ("get", "update")
        for name in (
            names.CA_SECRET,
            names.ADMISSION_TLS_SECRET,
            names.BROKER_TLS_SECRET,
            names.GATEWAY_TLS_SECRET,
        )
    ),
    "create configmaps",
    *(f"{verb} configmaps={names.SIDECAR_IMAGES}" for verb in ("get", "update")),
    "list replicasets",
    f"get deployments={names.GATEWAY}",
    "create leases",
    *(f"{verb} leases={names.CONTROLLER_LEASE}" for verb in ("get", "update")),
}


@pytest.fixture(scope="module")
def rights(kube: Kube) -> Kube:
    kube.run("apply", "-k", str(MANIFESTS / "crd"))
    kube.run("apply", "-f", str(MANIFESTS / "base" / "namespace.yaml"))
    kube.run("apply", "-k", str(MANIFESTS / "rbac"))
    kube.wait_for(
        lambda: "connectors" in json.dumps(kube.get("clusterrole", "admin")), what="the aggregation"
    )
    return kube


@pytest.fixture
def other(kube: Kube) -> Iterator[str]:
    """A namespace beside the test's own."""
    with kube.namespace() as name:
        yield name


def rights_of(kube: Kube, namespace: str) -> Rights:
    """All that this user may do there, but for what any ServiceAccount of the cluster may."""
    return _rules(kube, namespace) - _rules(kube.as_service_account("nowhere", "nobody"), namespace)


def _rules(kube: Kube, namespace: str) -> Rights:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    # kubectl's own check of a review, which is no stored kind, would read the CustomResourceDefinitions
    create = ("create", "--validate=false", "-f", "-", "-o", "json")
    answer = json.loads(kube.run(*create, stdin=json.dumps(review)).stdout)
    assert not answer["status"]["incomplete"]
    return {
        f"{verb} {resource}" + (f"={name}" if name else "")
        for rule in answer["status"]["resourceRules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [""]
    }


def test_admission_may_see_connectors_and_what_namespaces_demand_and_nothing_else(
    rights: Kube, namespace: str
) -> None:
    admission = rights.as_service_account(names.NAMESPACE, names.ADMISSION)
    assert rights_of(admission, namespace) == ADMISSION
    assert rights_of(admission, names.NAMESPACE) == ADMISSION


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "update", "patch", "delete"])
@pytest.mark.parametrize("where", [names.NAMESPACE, "default", None])
def test_admission_cannot_touch_any_secret(rights: Kube, verb: str, where: str | None) -> None:
    admission = rights.as_service_account(names.NAMESPACE, names.ADMISSION)
    assert not admission.can_i(verb, "secrets", where)


def test_the_broker_may_do_what_its_work_needs_and_nothing_else(rights: Kube, namespace: str) -> None:
    broker = rights.as_service_account(names.NAMESPACE, names.BROKER)
    assert rights_of(broker, namespace) == BROKER
    assert rights_of(broker, names.NAMESPACE) == BROKER | BROKER_AT_HOME


@pytest.mark.parametrize("verb", ["list", "watch", "delete", "patch"])
@pytest.mark.parametrize("where", [names.NAMESPACE, "default", None])
def test_the_broker_cannot_list_or_watch_secrets(rights: Kube, verb: str, where: str | None) -> None:
    broker = rights.as_service_account(names.NAMESPACE, names.BROKER)
    assert not broker.can_i(verb, "secrets", where)


def test_a_token_of_the_default_account_beside_the_product_gives_nothing(rights: Kube) -> None:
    assert rights_of(rights.as_service_account(names.NAMESPACE), names.NAMESPACE) == set()


# -- without the binding for the whole cluster: overlays/selected-namespaces


def test_a_binding_lets_the_broker_read_secrets_of_one_namespace(
    rights: Kube, namespace: str, other: str
) -> None:
    """As another account: the broker's own binding for the whole cluster stays, others test with it."""
    binding = (MANIFESTS / "overlays" / "selected-namespaces" / "rolebinding.yaml").read_text()
    rights.apply(binding.replace("name: pypi-connector-broker", "name: stand-in"), namespace=namespace)
    stand_in = rights.as_service_account(names.NAMESPACE, "stand-in")
    assert rights_of(stand_in, namespace) == {"get secrets"}
    assert rights_of(stand_in, other) == set()


# -- people and workloads


def bind(kube: Kube, role: str, namespace: str, *subjects: dict[str, str], check: bool = True) -> str:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"generateName": "test-"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": list(subjects),
    }
    return kube.create(binding, namespace=namespace, check=check).stderr


def user(name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


CONNECTORS = "connectors.connectors.alauda.io"


@pytest.mark.parametrize(
    ("role", "verbs"), [(names.USER_ROLE, {"get"}), (names.PUBLISHER_ROLE, {"get", "create"})]
)
def test_one_binding_lets_another_namespaces_pods_use_a_connector(
    rights: Kube, namespace: str, other: str, role: str, verbs: set[str]
) -> None:
    account = {"kind": "ServiceAccount", "name": "default", "namespace": other}
    bind(rights, role, namespace, account)
    pods = rights.as_service_account(other)
    assert rights_of(pods, namespace) == {f"{verb} connectors/proxy" for verb in verbs}
    assert rights_of(pods, other) == set()


def test_the_example_lets_every_account_of_a_namespace_install(rights: Kube, namespace: str) -> None:
    example = (MANIFESTS / "examples" / "rolebinding.yaml").read_text().replace("team-a", namespace)
    rights.apply(example)
    assert rights_of(rights.as_service_account("team-b", "any"), namespace) == {"get connectors/proxy"}
    assert rights_of(rights.as_service_account("team-c", "any"), namespace) == set()


def test_an_administrator_of_a_namespace_declares_connectors_and_passes_their_use_on(
    rights: Kube, namespace: str, other: str
) -> None:
    bind(rights, "admin", namespace, user("ann"))
    ann = rights.as_user("ann", "system:authenticated")
    for verb in ("get", "list", "watch", "create", "update", "patch", "delete"):
        assert ann.can_i(verb, CONNECTORS, namespace)
        assert not ann.can_i(verb, CONNECTORS, other)
    for role in (names.USER_ROLE, names.PUBLISHER_ROLE):
        bind(ann, role, namespace, user("ben"))
    assert not {one for one in rights_of(ann, namespace) if one.endswith("connectors/status")}


def test_an_administrator_cannot_pass_on_what_they_lack(rights: Kube, namespace: str, other: str) -> None:
    bind(rights, "admin", namespace, user("cid"))
    cid = rights.as_user("cid", "system:authenticated")
    assert "cannot create resource" in bind(cid, names.USER_ROLE, other, user("dan"), check=False)
    assert "forbidden" in bind(cid, names.BROKER, namespace, user("dan"), check=False)


@pytest.mark.parametrize("role", ["view", "edit"])
def test_viewers_and_editors_see_connectors_and_change_none(rights: Kube, namespace: str, role: str) -> None:
    bind(rights, role, namespace, user(f"the-{role}er"))
    somebody = rights.as_user(f"the-{role}er", "system:authenticated")
    ours = {one for one in rights_of(somebody, namespace) if " connector" in one}
    kinds = ("connectors", "connectorclasses")
    assert ours == {f"{verb} {kind}" for verb in ("get", "list", "watch") for kind in kinds}

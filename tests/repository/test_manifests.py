"""The manifests as files: names, ports and settings agree with the code, Pods are confined, all is used.

What an API server makes of them is tested in tests/api.
"""

import re
import tomllib
from pathlib import Path

import pytest

from support.checkout import MANIFESTS, ROOT
from support.kubernetes.manifests import ALL, Manifest, container, documents, files, find
from webhook import names
from webhook.cluster.connector_class import PYPI
from webhook.connector.manifest import parse_connector
from webhook.server.settings import ProcessSettings, from_environment

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NOT_INSTALLED = {MANIFESTS / "overlays" / "selected-namespaces" / "rolebinding.yaml"}
"""Files that people apply by hand; those of examples/ besides"""

DEPLOYMENTS = (names.ADMISSION, names.BROKER)


def settings_patch() -> Manifest:
    return next(documents(MANIFESTS / "overlays" / "default" / "settings.yaml"))


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(MANIFESTS)))
def test_every_file_is_part_of_a_kustomization(path: Path) -> None:
    if path.name == "kustomization.yaml" or path.parent.name == "examples" or path in NOT_INSTALLED:
        return
    kustomization = next(documents(path.parent / "kustomization.yaml"))
    patches = [one.get("path") for one in kustomization.get("patches", [])]
    assert path.name in [*kustomization["resources"], *patches]


def test_every_folder_is_part_of_the_base() -> None:
    resources = next(documents(MANIFESTS / "base" / "kustomization.yaml"))["resources"]
    folders = {path.parent.name for path in MANIFESTS.glob("*/kustomization.yaml")} - {"base"}
    assert {f"../{name}" for name in folders} <= set(resources)


def test_a_component_is_one_line_of_the_overlay() -> None:
    text = (MANIFESTS / "overlays" / "default" / "kustomization.yaml").read_text()
    for component in (MANIFESTS / "components").iterdir():
        assert f"\n# components: [../../components/{component.name}] #" in text
        assert next(documents(component / "kustomization.yaml"))["kind"] == "Component"


# -- names


def test_whatever_has_a_namespace_lies_in_the_products_own() -> None:
    places = {one["metadata"]["namespace"] for one in ALL if "namespace" in one.get("metadata", {})}
    assert places == {names.NAMESPACE}


def test_the_objects_that_the_code_names_are_there() -> None:
    find("Namespace", names.NAMESPACE)
    find("MutatingWebhookConfiguration", names.WEBHOOK_CONFIGURATION)
    for name in DEPLOYMENTS:
        for kind in ("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"):
            find(kind, name)
    for name in (names.USER_ROLE, names.PUBLISHER_ROLE, names.SECRET_READER_ROLE):
        find("ClusterRole", name)


def test_no_service_is_called_like_the_product() -> None:
    """Its variables would begin with PYPI_CONNECTOR_ in every Pod beside it."""
    assert {one["metadata"]["name"] for one in ALL if one["kind"] == "Service"} == {
        *DEPLOYMENTS,
        names.GATEWAY,
    }


def test_rights_are_bound_to_accounts_that_exist() -> None:
    for binding in (one for one in ALL if one["kind"].endswith("RoleBinding")):
        find(binding["roleRef"]["kind"], binding["roleRef"]["name"])
        for subject in binding["subjects"]:
            assert subject["namespace"] == names.NAMESPACE
            find("ServiceAccount", subject["name"])


def test_admissions_rights_name_no_secret() -> None:
    assert "secrets" not in str(find("ClusterRole", names.ADMISSION)["rules"])
    bound = [
        one for one in ALL if one["kind"].endswith("RoleBinding") and names.ADMISSION in str(one["subjects"])
    ]
    assert [one["metadata"]["name"] for one in bound] == [names.ADMISSION]


def test_the_class_is_of_the_shape_that_its_kind_describes() -> None:
    (version,) = find("CustomResourceDefinition", "connectorclasses.connectors.alauda.io")["spec"]["versions"]
    described = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert _undescribed(PYPI["spec"], described) == []


def _undescribed(value: object, schema: Manifest, path: str = "spec") -> list[str]:
    """Fields that the API server would drop."""
    if isinstance(value, list):
        return [one for item in value for one in _undescribed(item, schema["items"], path)]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    return [
        missing
        for key, one in value.items()
        for missing in (_undescribed(one, known[key], f"{path}.{key}") if key in known else [f"{path}.{key}"])
    ]


# -- the two Deployments


def environment(deployment: str) -> dict[str, str]:
    """As the default overlay sets it."""
    entries = [*container(find("Deployment", deployment))["env"], *container(settings_patch())["env"]]
    values = {entry["name"]: entry.get("value", "from-the-pod") for entry in entries}
    assert len(values) == len(entries)
    return values


def settings(deployment: str) -> ProcessSettings:
    return from_environment(environment(deployment), port=1, tls_directory="/nowhere")


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_the_settings_are_those_that_the_code_reads(deployment: str) -> None:
    read = settings(deployment)
    assert read.sidecar_image == f"{names.SIDECAR_IMAGE}:{VERSION}"
    assert read.log_level == "info"
    named = set(re.findall(r"WEBHOOK_\w+", (MANIFESTS / "overlays/default/settings.yaml").read_text()))
    source = (ROOT / "webhook" / "server" / "settings.py").read_text()
    for name in named | set(environment(deployment)):
        assert f'"{name.removeprefix("WEBHOOK_")}"' in source, f"nobody reads {name}"


def test_both_images_have_the_products_version() -> None:
    assert container(settings_patch())["image"] == f"pypi-connector-webhook:{VERSION}"


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_the_service_leads_to_the_port_that_the_process_listens_on(deployment: str) -> None:
    manifest = find("Deployment", deployment)
    (port,) = container(manifest)["ports"]
    assert port["containerPort"] == settings(deployment).port
    service = find("Service", deployment)["spec"]
    assert service["ports"] == [{"name": "https", "port": 443, "targetPort": port["name"]}]
    (hole,) = find("NetworkPolicy", deployment)["spec"]["ingress"]
    assert [one["port"] for one in hole["ports"]] == [port["containerPort"]]


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_all_that_selects_the_pods_selects_the_same(deployment: str) -> None:
    spec = find("Deployment", deployment)["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert labels.items() >= spec["selector"]["matchLabels"].items()
    assert spec["selector"]["matchLabels"]["app.kubernetes.io/component"] in deployment
    selectors = [
        {"matchLabels": find("Service", deployment)["spec"]["selector"]},
        find("PodDisruptionBudget", deployment)["spec"]["selector"],
        find("NetworkPolicy", deployment)["spec"]["podSelector"],
        *(one["labelSelector"] for one in spec["template"]["spec"]["topologySpreadConstraints"]),
    ]
    assert all(one == spec["selector"] for one in selectors)


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_the_tls_directory_is_a_volume(deployment: str) -> None:
    pod = find("Deployment", deployment)["spec"]["template"]["spec"]
    directory = str(settings(deployment).tls_directory)
    (mount,) = (
        one
        for one in container(find("Deployment", deployment))["volumeMounts"]
        if one["mountPath"] == directory
    )
    (volume,) = (one for one in pod["volumes"] if one["name"] == mount["name"])
    if deployment == names.ADMISSION:
        assert volume["secret"] == {"secretName": names.ADMISSION_TLS_SECRET}
    else:
        assert volume["emptyDir"]["medium"] == "Memory"


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_the_pods_are_confined(deployment: str) -> None:
    pod = find("Deployment", deployment)["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container(find("Deployment", deployment))["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_one_replica_can_always_be_missed(deployment: str) -> None:
    spec = find("Deployment", deployment)["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert find("PodDisruptionBudget", deployment)["spec"]["maxUnavailable"] == 1
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert {one["whenUnsatisfiable"] for one in spread} == {"ScheduleAnyway"}, "a single node must do"


# -- the registration


ENTRIES = ("pods.connectors.alauda.io", "namespaces.connectors.alauda.io")


def registration(name: str = ENTRIES[0]) -> Manifest:
    webhooks = find("MutatingWebhookConfiguration", names.WEBHOOK_CONFIGURATION)["webhooks"]
    assert tuple(webhook["name"] for webhook in webhooks) == ENTRIES, "the order decides who reviews a Pod"
    found = next(webhook for webhook in webhooks if webhook["name"] == name)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_registration_is_as_the_design_says(entry: str) -> None:
    webhook = registration(entry)
    chosen = ("failurePolicy", "reinvocationPolicy", "sideEffects", "timeoutSeconds")
    assert [webhook[key] for key in chosen] == ["Fail", "IfNeeded", "None", 5]
    assert [(rule["operations"], rule["resources"]) for rule in webhook["rules"]] == [(["CREATE"], ["pods"])]
    (left_out,) = webhook["namespaceSelector"]["matchExpressions"]
    assert (left_out["operator"], set(left_out["values"])) == ("NotIn", {"kube-system", names.NAMESPACE})


def test_only_the_second_entry_looks_at_a_label_of_the_namespace() -> None:
    labels = [registration(entry)["namespaceSelector"].get("matchLabels") for entry in ENTRIES]
    assert labels == [None, {names.INJECT: names.OPTED_IN}]


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_registration_holds_no_ca_which_the_product_writes(entry: str) -> None:
    assert registration(entry)["clientConfig"] == {
        "service": {"name": names.ADMISSION, "namespace": names.NAMESPACE, "path": "/mutate", "port": 443}
    }


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_registration_selects_by_the_annotations_of_the_code(entry: str) -> None:
    expressions = " ".join(one["expression"] for one in registration(entry)["matchConditions"])
    keys = set(re.findall(rf"'({re.escape(names.GROUP)}/[^']+)'", expressions))
    further = {names.RESULT} if entry == ENTRIES[1] else set()
    assert keys == {names.CONNECTOR, names.PUBLISH_CONNECTOR, names.INJECT, *further}
    # an index without `?` errs where the key is missing, and under Fail that refuses every other Pod
    assert not re.search(r"annotations\[[^?]|annotations\.(?!orValue)", expressions)


# -- examples


def test_the_examples_can_be_read() -> None:
    kinds = set()
    for path in sorted((MANIFESTS / "examples").glob("*.yaml")):
        for one in documents(path):
            kinds.add(one["kind"])
            if one["kind"] == "Connector":
                parse_connector(one)
            elif one["kind"] == "RoleBinding":
                assert one["roleRef"]["name"] in (names.USER_ROLE, names.PUBLISHER_ROLE)
            elif one["kind"] == "Job":
                assert names.CONNECTOR in one["spec"]["template"]["metadata"]["annotations"]
    assert kinds == {"Secret", "Connector", "Pod", "Job", "RoleBinding"}

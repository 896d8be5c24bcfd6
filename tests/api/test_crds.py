"""The kinds on an API server: their refusals, printed columns and explanations."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from support.checkout import MANIFESTS
from support.connectors.connector_table import Case, cases
from support.kubernetes import clusters, seed
from support.kubernetes.kube import Kube

TABLE = cases()
NAMESPACE = "team-a"  # the table's sentences name it


@pytest.fixture(scope="module")
def served(kube: Kube) -> Iterator[Kube]:
    """With the kinds, and the policy that sees what their rules cannot: the Connector's namespace."""
    serve(kube)
    kube.run("apply", "-f", str(MANIFESTS / "policies" / "connector-secret.yaml"))
    made = kube.run("create", "namespace", NAMESPACE, check=False).returncode == 0
    foreign = connector("probe", auth={"secretRef": {"name": "s", "namespace": "elsewhere"}})
    dry = ("create", "--dry-run=server", "-f", "-")
    kube.wait_for(
        lambda: kube.run(*dry, stdin=json.dumps(foreign), check=False).returncode,
        what="the policy to be in force",
    )
    yield kube
    if made:
        kube.run("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def alone(kube: Kube) -> Iterator[Kube]:
    """Without a controller, which would write a status of its own; a given cluster may run the product."""
    with ExitStack() as stack:
        one = kube if clusters.given() is None else stack.enter_context(clusters.api_server())
        serve(one)
        yield one


@pytest.fixture
def place(alone: Kube) -> Iterator[str]:
    with alone.namespace() as name:
        yield name


def serve(kube: Kube) -> None:
    kube.run("apply", "-k", str(MANIFESTS / "crd"))
    for kind in ("connectors", "connectorclasses"):
        kube.wait_for_condition("crd", f"{kind}.connectors.alauda.io", "Established")


def connector(name: str, **spec: object) -> dict[str, object]:
    basis = {"connectorClassName": "pypi", "address": "https://pypi.example.com"}
    return {
        "apiVersion": "connectors.alauda.io/v1alpha1",
        "kind": "Connector",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**basis, **spec},
    }


@dataclass(frozen=True, slots=True)
class Verdicts:
    accepted: frozenset[str]
    sentences: Mapping[str, str]


@pytest.fixture(scope="module")
def verdicts(served: Kube) -> Verdicts:
    """One call for the whole table: kubectl goes on after what is refused."""
    named = {f"case-{number}": case for number, case in enumerate(TABLE)}
    documents = [json.dumps(case.manifest(name=name, namespace=NAMESPACE)) for name, case in named.items()]
    said = served.run(
        "create", "--dry-run=server", "-f", "-", stdin="\n---\n".join(documents), check=False, timeout=120
    )
    sentences = {
        match[1]: block
        for block in re.split(r'(?="case-\d+" is)', said.stderr)
        if (match := re.match(r'"(case-\d+)"', block))
    }
    return Verdicts(frozenset(re.findall(r"/(case-\d+) created", said.stdout)), sentences)


@pytest.mark.parametrize(("number", "case"), list(enumerate(TABLE)), ids=[case.title for case in TABLE])
def test_a_connector_is_stored_or_refused_as_the_table_says(
    verdicts: Verdicts, number: int, case: Case
) -> None:
    name = f"case-{number}"
    if case.schema is None:
        assert name in verdicts.accepted, verdicts.sentences.get(name)
        return
    assert name not in verdicts.accepted
    assert case.schema in verdicts.sentences[name]
    assert "canary" not in verdicts.sentences[name], "a password must not be repeated"


@pytest.mark.parametrize("title", seed.MANIFESTS)
def test_the_reference_systems_manifests_apply_verbatim(served: Kube, namespace: str, title: str) -> None:
    for _ in range(2):
        served.apply(seed.MANIFESTS[title], namespace=namespace)


def test_the_reference_systems_manifests_apply_server_side(served: Kube, namespace: str) -> None:
    for manifest in (seed.SIMPLE, seed.SECRET, seed.WITHOUT_SECRET):
        served.apply(manifest, namespace=namespace, server_side=True)


def test_an_unknown_field_is_not_dropped_silently(served: Kube) -> None:
    sentence = served.refused(connector("typo", adress="https://pypi.example.com"))
    assert 'unknown field "spec.adress"' in sentence


def test_a_wrong_spec_is_refused_on_update_too(served: Kube, namespace: str) -> None:
    served.apply(seed.SIMPLE, namespace=namespace)
    result = served.patch(
        "connector", "pypi-connector", {"spec": {"address": "ftp://x"}}, namespace=namespace, check=False
    )
    assert "must begin with https:// or http://, not 'ftp'" in result.stderr


def status(ready: str = "True") -> dict[str, object]:
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "Valid" if ready == "True" else "AuthenticationFailed",
        "message": "the Connector can be used" if ready == "True" else "status code 401",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    return {
        "status": {
            "observedGeneration": 1,
            "conditions": [condition],
            "proxy": {"httpAddress": {"url": "http://127.0.0.1:28100"}},
        }
    }


def test_status_is_a_subresource_and_can_be_waited_for(alone: Kube, place: str) -> None:
    alone.apply(seed.SIMPLE, namespace=place)
    alone.patch("connector", "pypi-connector", status(), namespace=place)
    assert "status" not in alone.get("connector", "pypi-connector", place)
    alone.patch("connector", "pypi-connector", status(), namespace=place, subresource="status")
    alone.wait_for_condition("connector", "pypi-connector", "Ready", namespace=place)
    stored = alone.get("connector", "pypi-connector", place)
    assert stored["status"] == status()["status"]
    assert stored["metadata"]["generation"] == 1


def test_a_condition_without_a_reason_is_refused(alone: Kube, place: str) -> None:
    alone.apply(seed.SIMPLE, namespace=place)
    wrong = status()
    wrong["status"]["conditions"][0]["reason"] = ""  # type: ignore[index]
    result = alone.patch(
        "connector", "pypi-connector", wrong, namespace=place, subresource="status", check=False
    )
    assert "reason" in result.stderr


def test_a_list_shows_what_an_administrator_asks_first(alone: Kube, place: str) -> None:
    alone.apply(seed.SIMPLE, namespace=place)
    alone.patch("connector", "pypi-connector", status("False"), namespace=place, subresource="status")
    heading, line = alone.run("get", "conn", "-n", place).stdout.splitlines()
    assert heading.split() == ["NAME", "CLASS", "ADDRESS", "READY", "REASON", "AGE"]
    assert line.split()[:5] == ["pypi-connector", "pypi", "https://pypi.org", "False", "AuthenticationFailed"]
    wide = alone.run("get", "connectors", "-n", place, "-o", "wide").stdout
    assert "status code 401" in wide
    assert "http://127.0.0.1:28100" in wide
    described = {
        "cpaas.io/description": "Connect to team development PyPI registry",
        "cpaas.io/display-name": "Team PyPI",
    }
    alone.patch("connector", "pypi-connector", {"metadata": {"annotations": described}}, namespace=place)
    wide = alone.run("get", "connectors", "-n", place, "-o", "wide").stdout
    assert all(text in wide for text in described.values())


def test_the_category_lists_both_kinds(served: Kube) -> None:
    said = served.run("api-resources", "--categories=pypi-connector", "-o", "name").stdout.split()
    assert said == ["connectorclasses.connectors.alauda.io", "connectors.connectors.alauda.io"]


def test_no_category_is_called_like_a_kind(served: Kube) -> None:
    """`kubectl delete connectors --all` deleted the ConnectorClass too: its category was `connectors`."""
    for plural in ("connectors", "connectorclasses"):
        spec = served.get("crd", f"{plural}.connectors.alauda.io")["spec"]["names"]
        assert not {"connector", "connectors", "connectorclass", "connectorclasses"} & set(spec["categories"])


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("connector", "A PyPI registry, declared once by an administrator"),
        ("connector.spec.address", "without the index path"),
        ("connector.spec.auth.secretRef", "in the Connector's own namespace"),
        ("connector.spec.params", "allowInsecureHTTP"),
        ("connector.spec.params", "the only packages that Pods may install"),
        ("connector.status.conditions", "SecretReady"),
        ("connectorclass.spec.configurations", "connectors.alauda.io/configurations"),
    ],
)
def test_explain_reads_like_documentation(served: Kube, path: str, sentence: str) -> None:
    said = " ".join(served.run("explain", path).stdout.split())
    assert sentence in said


def test_every_field_is_explained(served: Kube) -> None:
    """`apiVersion`, `kind` and `metadata` are Kubernetes' own."""
    for kind in ("connectors", "connectorclasses"):
        definition = served.get("crd", f"{kind}.connectors.alauda.io")
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert list(_unexplained(schema, kind)) == [
            f"{kind}.{own}" for own in ("apiVersion", "kind", "metadata")
        ]


def _unexplained(schema: Mapping[str, object], path: str) -> list[str]:
    properties = schema.get("properties") or schema.get("items", {}).get("properties") or {}  # type: ignore[attr-defined]
    found = []
    for name, one in properties.items():
        found += [] if one.get("description") else [f"{path}.{name}"]
        found += _unexplained(one, f"{path}.{name}")
    return found


def test_the_largest_connector_is_judged_in_time(served: Kube) -> None:
    """The rules' price is bounded by the schema's maxima: at them a Connector is still accepted."""
    longest = "https://pypi.example.com/" + "a/" * 1011
    extensions = [{"name": f"files-{number}", "value": longest} for number in range(1, 17)]
    largest = json.dumps(connector("largest", address=longest, addressExtensions=extensions))
    started = time.monotonic()
    served.run("create", "--dry-run=server", "-f", "-", stdin=largest)
    assert time.monotonic() - started < 10

"""The broker and ConnectorClasses: what a class says holds for grants, and without it there is none."""

from typing import Any

import pytest

from sidecar.contract.grant import Grant
from support.components.broker_requests import ask, cluster, connector, problem
from webhook.demo.memory_cluster import MemoryCluster
from webhook.errors import ClusterUnavailable


def declared(name: str = "strict", **spec: Any) -> dict[str, Any]:
    return {"kind": "ConnectorClass", "metadata": {"name": name}, "spec": spec}


def of_class(name: str = "strict", **spec: Any) -> dict[str, Any]:
    manifest = connector()
    manifest["spec"] |= {"connectorClassName": name, **spec}
    return manifest


ENFORCING = {"connector": "team/pypi", "rejected": None, "enforces": ["packages"]}
DENYING = declared(
    params=[{"name": "denyPackages", "default": "team-*"}, {"name": "access", "default": "read"}]
)


def test_defaults_of_the_class_hold_for_the_grant() -> None:
    grant = Grant.parse(ask(cluster(of_class(), DENYING), json=ENFORCING).content)
    assert grant.packages
    assert grant.packages.deny == ("team-*",)
    assert grant.upload_url is None


def test_a_sidecar_that_does_not_know_the_packages_of_the_class_gets_no_grant() -> None:
    assert problem(ask(cluster(of_class(), DENYING))) == (403, "SidecarTooOld")


def test_a_changed_class_changes_the_grants_version() -> None:
    given = cluster(of_class(), declared(params=[{"name": "denyPackages", "default": "a"}]))
    versions = {Grant.parse(ask(given, json=ENFORCING).content).version for _ in range(2)}
    given.apply(DENYING)
    versions.add(Grant.parse(ask(given, json=ENFORCING).content).version)
    assert len(versions) == 2


def test_changed_files_of_the_class_do_not_change_the_version() -> None:
    """A new version would try a refused credential again."""
    given = cluster(of_class(), declared())
    versions = {Grant.parse(ask(given).content).version}
    given.apply(declared(configurations=[{"name": "own", "data": {"a": "b"}}]))
    versions.add(Grant.parse(ask(given).content).version)
    assert len(versions) == 1


@pytest.mark.parametrize(
    "classes",
    [[], [declared("other")], [declared(params=[{"name": "denyPackages", "default": "team_*"}])]],
    ids=["missing", "of another name", "broken"],
)
def test_without_a_usable_class_there_is_no_grant(classes: list[dict[str, Any]]) -> None:
    response = ask(cluster(of_class(), *classes))
    assert problem(response) == (403, "ConnectorInvalid")
    assert "lass" in response.json()["detail"]


def test_the_default_class_is_there_without_an_object_and_counts_as_it_is_edited() -> None:
    assert ask(cluster()).status_code == 200
    edited = declared("pypi", params=[{"name": "access", "default": "read"}])
    assert Grant.parse(ask(cluster(edited)).content).upload_url is None


def test_a_class_that_demands_a_secret_gives_no_anonymous_grant() -> None:
    anonymous = of_class(auth={})
    strict = declared(auth={"types": [{"name": "basicAuth"}]})
    assert problem(ask(cluster(anonymous, strict))) == (403, "ConnectorInvalid")
    assert ask(cluster(anonymous, declared())).status_code == 200


def test_the_secret_has_the_type_of_the_class() -> None:
    opaque = declared(auth={"types": [{"name": "basicAuth", "secretType": "Opaque"}]})
    assert problem(ask(cluster(of_class(), opaque))) == (403, "SecretTypeMismatch")


class Silent(MemoryCluster):
    async def connector_class(self, name: str) -> Any:
        raise ClusterUnavailable("no answer")


def test_where_the_class_cannot_be_read_the_pod_asks_again() -> None:
    given = Silent()
    given.__dict__ |= cluster(of_class(), DENYING).__dict__
    assert problem(ask(given)) == (503, "ClusterUnavailable")

"""ConnectorClasses: what is read, what is refused, and what they do to Connectors."""

from typing import Any

import pytest

from webhook import names
from webhook.cluster.connector_class import PYPI
from webhook.connector.connector_class import (
    DATA_LIMIT,
    DEFAULT_CLASS,
    Configuration,
    ConnectorClass,
    find_class,
    parse_class,
    with_default_class,
)
from webhook.connector.manifest import Connector, parse_connector
from webhook.errors import InvalidClass, InvalidConnector


def declared(name: str = "pypi-strict", **spec: Any) -> dict[str, Any]:
    return {"kind": "ConnectorClass", "metadata": {"name": name}, "spec": spec}


def faults(**spec: Any) -> list[str]:
    with pytest.raises(InvalidClass) as caught:
        parse_class(declared(**spec))
    assert {problem.reason for problem in caught.value.problems} <= {"ConnectorClassInvalid", "InvalidShape"}
    return [problem.message for problem in caught.value.problems]


def connector(*classes: dict[str, Any], **spec: Any) -> Connector:
    found = {one["metadata"]["name"]: find_class(one) for one in classes}
    basis = {"connectorClassName": "pypi-strict", "address": "https://pypi.example"}
    manifest = {"metadata": {"namespace": "team", "name": "pypi"}, "spec": {**basis, **spec}}
    return parse_connector(manifest, classes=with_default_class(found))


def refusals(*classes: dict[str, Any], **spec: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidConnector) as caught:
        connector(*classes, **spec)
    return [(problem.reason, problem.message) for problem in caught.value.problems]


def parameter(name: str, **rules: Any) -> dict[str, Any]:
    return {"name": name, **rules}


# -- the class


def test_the_default_object_means_the_built_in_class() -> None:
    assert parse_class(PYPI) == DEFAULT_CLASS


def test_an_object_of_an_earlier_version_means_the_built_in_files() -> None:
    earlier = [{"name": "pipconf", "file": "pip.conf"}, {"name": "pypirc", "file": ".pypirc"}]
    read = parse_class(declared("pypi", configurations=earlier))
    assert all(not one.templates for one in read.configurations)
    assert read.configuration_names == ("pipconf", "pypirc", "uv")


def test_a_class_without_a_spec_is_the_default_by_another_name() -> None:
    assert parse_class({"metadata": {"name": "x"}}) == ConnectorClass("x")


def test_all_fields_are_read() -> None:
    read = parse_class(
        declared(
            auth={"types": [{"name": "token", "secretType": "Opaque"}]},
            params=[parameter("access", default="read", values=["read"])],
            configurations=[{"name": "extra", "data": {"a.txt": "b"}}],
            extraIndexes="allow",
        )
    )
    assert [(one.name, one.secret_type, one.is_optional) for one in read.auth_types] == [
        ("token", "Opaque", False)
    ]
    assert [(one.name, one.default) for one in read.parameters] == [
        ("access", "read"),
        ("extraIndexes", "allow"),
    ]
    assert read.configurations == (Configuration("extra", (("a.txt", "b"),)),)
    assert read.configuration_names == ("pipconf", "pypirc", "uv", "extra")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"configurations": "x"}, "spec.configurations must be a list"),
        ({"configurations": ["x"]}, "spec.configurations must be a list of objects with a name"),
        ({"configurations": [{"name": "x"}]}, "x has no data"),
        ({"configurations": [{"name": "Pip", "data": {"a": "b"}}]}, "not 'Pip'"),
        ({"configurations": [{"name": "x", "data": {"a": 1}}]}, "a text each"),
        ({"configurations": [{"name": "x", "data": ["a"]}]}, "a text each"),
        ({"configurations": [{"name": "x", "data": {str(n): "" for n in range(17)}}]}, "up to 16"),
        ({"configurations": [{"name": "x", "data": {"pip.conf": ""}}]}, "pip.conf is a file of pipconf"),
        ({"configurations": [{"name": "pipconf", "data": {".pypirc": ""}}]}, ".pypirc is a file of pypirc"),
        (
            {"configurations": [{"name": "x", "data": {"a": "b"}}, {"name": "y", "data": {"a": "b"}}]},
            "file of x",
        ),
        *(
            ({"configurations": [{"name": "x", "data": {file: ""}}]}, "is no plain file name")
            for file in ("../a", "a/b", ".", "..", "...", "", "a b", "a\n", "ä", ".a.new", "x" * 129)
        ),
        ({"configurations": [{"name": "x", "data": {"a": "b" * (DATA_LIMIT + 1)}}]}, "at most 65536"),
        ({"configurations": [{"name": f"x{n}", "data": {f"{n}": ""}} for n in range(17)]}, "at most 16"),
        ({"configurations": [{"name": "pipconf"}, {"name": "pipconf"}]}, "'pipconf' twice"),
        ({"params": {}}, "must be a list of objects"),
        ({"params": [1]}, "must be a list of objects"),
        ({"params": [parameter("mirror")]}, "has no 'mirror'"),
        ({"params": [parameter("access", default="write")]}, 'must be "read" or "readwrite"'),
        ({"params": [parameter("access", values=["write"])]}, 'must be "read" or "readwrite"'),
        ({"params": [parameter("access", default="read", values=["readwrite"])]}, "not among its values"),
        ({"params": [parameter("denyPackages", default="team_*")]}, "must hold normalised names"),
        ({"params": [parameter("denyPackages", default="")]}, "is empty"),
        ({"params": [parameter("access", default=True)]}, "must be a list of objects"),
        ({"params": [parameter("access"), parameter("access")]}, "'access' twice"),
        ({"auth": {"types": [{"secretType": "Opaque"}]}}, "a list of objects with a name"),
        ({"auth": {"types": [{"name": "a", "secretType": ""}]}}, "must be a type of Secrets"),
        ({"auth": {"types": [{"name": "a", "optional": "yes"}]}}, "must be true or false"),
        ({"auth": []}, "spec.auth must be an object"),
        ({"extraIndexes": "yes"}, 'must be "allow" or "refuse"'),
    ],
)
def test_a_class_that_breaks_its_contract_says_why(spec: dict[str, Any], sentence: str) -> None:
    assert any(sentence in fault for fault in faults(**spec))


def test_all_problems_come_together() -> None:
    assert len(faults(params=[parameter("mirror")], extraIndexes="x", configurations=[{"name": "x"}])) == 3


# -- its Connectors


def test_defaults_of_the_class_apply_and_the_connector_wins() -> None:
    strict = declared(
        params=[
            parameter("denyPackages", default="team-*"),
            parameter("access", default="read"),
            parameter("indexPath", default="+simple/"),
        ]
    )
    silent = connector(strict)
    assert silent.packages
    assert silent.packages.deny == ("team-*",)
    assert silent.access == "read"
    assert silent.index_url == "https://pypi.example/+simple/"
    assert ("indexPath", "+simple/") in silent.params
    assert connector(strict, params=[{"name": "access", "value": "readwrite"}]).access == "readwrite"
    assert connector(connectorClassName="pypi").packages is None


def test_only_allowed_values_pass_and_a_needed_one_may_not_be_missing() -> None:
    strict = declared(params=[parameter("authorization", values=["rbac"])])
    ((reason, message),) = refusals(strict, params=[{"name": "authorization", "value": "namespace"}])
    assert reason == "InvalidParameter"
    assert "authorization must not be 'namespace': the class 'pypi-strict' demands \"rbac\"" in message
    ((_, message),) = refusals(strict)
    assert "authorization is missing" in message
    assert connector(strict, params=[{"name": "authorization", "value": "rbac"}]).authorization == "rbac"


def test_a_class_has_parameters_of_its_own_for_its_templates() -> None:
    strict = declared(params=[parameter("x-timeout", default="60", values=["60", "90"])])
    assert dict(connector(strict).params) == {"x-timeout": "60"}
    assert dict(connector(strict, params=[{"name": "x-timeout", "value": "90"}]).params) == {
        "x-timeout": "90"
    }
    ((_, message),) = refusals(strict, params=[{"name": "x-timeout", "value": "1"}])
    assert "x-timeout must not be '1'" in message
    ((_, message),) = refusals(strict, params=[{"name": "x-retries", "value": "1"}])
    assert "has no 'x-retries'" in message
    assert message.endswith("denyPackages, x-timeout")


@pytest.mark.parametrize("name", ["x-", "x", "X-a", "x-A", "x_a", "x-a-", "timeout", "x-" + "a" * 62])
def test_a_parameter_of_a_class_cannot_be_mistaken_for_another(name: str) -> None:
    assert any("call one of the class's own x-NAME" in fault for fault in faults(params=[parameter(name)]))


@pytest.mark.parametrize(
    ("classes", "name", "reason"),
    [
        ([], "pypi-strict", "ConnectorClassNotFound"),
        ([], "", "ConnectorClassNotFound"),
        ([], ["pypi"], "ConnectorClassNotFound"),
        ([declared(extraIndexes="x")], "pypi-strict", "ConnectorClassInvalid"),
        ([declared("pypi", extraIndexes="x")], "pypi", "ConnectorClassInvalid"),
    ],
)
def test_without_a_usable_class_there_is_no_connector(
    classes: list[dict[str, Any]], name: object, reason: str
) -> None:
    """Its class may deny packages: nothing is served without it."""
    assert [reason] == [found for found, _ in refusals(*classes, connectorClassName=name)]


def test_the_method_is_one_of_the_class() -> None:
    strict = declared(auth={"types": [{"name": "token", "secretType": "Opaque", "optional": True}]})
    assert connector(strict, auth={"name": "token", "secretRef": {"name": "s"}}).secret_type == "Opaque"
    assert connector(strict, auth={"secretRef": {"name": "s"}}).secret_type == "Opaque"
    assert connector(strict).secret_name is None
    for name in ("basicAuth", 1, ["token"]):
        ((reason, message),) = refusals(strict, auth={"name": name})
        assert (reason, "must be 'token'" in message) == ("InvalidAuth", True)


@pytest.mark.parametrize("auth", [None, {}, {"name": "basicAuth"}])
def test_a_class_may_demand_a_secret(auth: object) -> None:
    strict = declared(auth={"types": [{"name": "basicAuth"}]})
    ((reason, message),) = refusals(strict, **({} if auth is None else {"auth": auth}))
    assert reason == "SecretRequired"
    assert names.SECRET_TYPE in message
    assert connector(strict, auth={"name": "basicAuth", "secretRef": {"name": "s"}}).secret_name == "s"


def test_a_class_that_admits_indexes_says_so_for_its_connectors_unless_they_say_otherwise() -> None:
    admitting = declared(extraIndexes="allow")
    assert connector(admitting).extra_indexes == "allow"
    assert (
        connector(admitting, params=[{"name": "extraIndexes", "value": "refuse"}]).extra_indexes == "refuse"
    )
    own = declared(extraIndexes="allow", params=[parameter("extraIndexes", default="warn")])
    assert connector(own).extra_indexes == "warn"

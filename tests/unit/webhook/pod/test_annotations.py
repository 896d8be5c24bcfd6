"""A Pod's annotations: the allowed values of each, and the sentence about any other value."""

import pytest

from webhook import names
from webhook.errors import InputError
from webhook.identifiers import ConnectorKey
from webhook.pod.quantities import parse_quantity
from webhook.pod.request import Request, parse_annotations


def parse(**annotations: str) -> Request:
    return parse_annotations(
        {f"{names.GROUP}/{key.replace('_', '-')}": text for key, text in annotations.items()},
        namespace="team-a",
    )


def problems(**annotations: str) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        parse(**annotations)
    return [(problem.reason, problem.message) for problem in caught.value.problems]


def test_a_pod_without_annotations_requests_nothing() -> None:
    assert parse() == Request()
    assert parse(connector="pypi") == Request(connectors=(ConnectorKey("team-a", "pypi"),))


def test_names_are_resolved_against_the_namespace_in_order() -> None:
    request = parse(connector=" b , other/a,b ", publish_connector="c , other/a, c")
    assert [str(key) for key in request.connectors] == ["team-a/b", "other/a"]
    assert [str(key) for key in request.publish_targets] == ["team-a/c", "other/a"]
    assert [str(key) for key in request.keys] == ["team-a/b", "other/a", "team-a/c"]


def test_uploads_go_to_the_first_connector() -> None:
    assert parse(connector="a,b").publish_targets == (ConnectorKey("team-a", "a"),)
    assert parse(connector="a", configurations="pipconf").publish_targets == ()
    assert parse().publish_targets == ()


def test_connectors_to_install_from_have_an_order() -> None:
    assert parse(connector="a", publish_connector="b").order == ()
    assert [str(key) for key in parse(connector="a,o/b", publish_connector="c").order] == ["team-a/a", "o/b"]


@pytest.mark.parametrize("key", ["connector", "publish-connector"])
@pytest.mark.parametrize(
    "text", ["", ",", "a,", "A", "a/b/c", "/a", "a/", "a b", "a_b", "a\nb", "ns.x/a", "ä", "a;b", "a,,b"]
)
def test_a_connector_that_is_no_name_is_refused(key: str, text: str) -> None:
    [(reason, message)] = problems(**{"connector": "a", key.replace("-", "_"): text})
    assert reason == "InvalidAnnotation"
    assert message.startswith(f"annotation connectors.alauda.io/{key} must read name or namespace/name")


@pytest.mark.parametrize("key", ["connector", "publish_connector"])
def test_the_number_of_connectors_is_limited(key: str) -> None:
    [(_, message)] = problems(**{"connector": "a", key: ",".join(f"c{index}" for index in range(17))})
    assert message.endswith("names 17 connectors; at most 16 are allowed")


@pytest.mark.parametrize("text", ["", "pipconf;pypirc", "pip conf", "pipconf,", "PIPCONF", "../x", "a" * 64])
def test_a_configuration_that_is_no_name_is_refused(text: str) -> None:
    [(_, message)] = problems(connector="a", configurations=text)
    assert "must be a comma list of configurations such as pipconf, pypirc" in message


def test_the_number_of_configurations_is_limited() -> None:
    [(_, message)] = problems(connector="a", configurations=",".join(f"c{index}" for index in range(17)))
    assert message.endswith("names 17 configurations; at most 16 are allowed")


def test_configurations_of_a_class_come_after_the_known() -> None:
    request = parse(configurations="pip-extra, uv, a")
    assert request.configurations == ("uv", "a", "pip-extra")
    assert request.own_configurations == ("a", "pip-extra")
    assert request.has_pipconf
    assert not request.has_pypirc
    assert not parse(configurations="pip-extra").has_pipconf


def test_configurations_have_a_fixed_order() -> None:
    assert parse(configurations=" pypirc, pipconf").configurations == ("pipconf", "pypirc")


@pytest.mark.parametrize("text", ["", "80", "65536", "1023", "0x5000", "٣٣٣٣", "5000 ", "-5000", "28100.0"])
def test_a_port_is_a_number_that_needs_no_root(text: str) -> None:
    [(_, message)] = problems(connector="a", port=text)
    assert "must be a whole number from 1024 to 65535" in message


def test_resources_stay_as_they_are_written() -> None:
    request = parse(connector="a", sidecar_cpu_request="0.05", sidecar_memory_limit="1e8")
    assert request.resources.cpu_request == "0.05"
    assert request.resources.memory_limit == "1e8"


def test_a_request_above_its_limit_is_refused() -> None:
    [(_, message)] = problems(connector="a", sidecar_cpu_request="1", sidecar_cpu_limit="900m")
    assert (
        "sidecar-cpu-request (1) must not be above connectors.alauda.io/sidecar-cpu-limit (900m)" in message
    )


@pytest.mark.parametrize("text", ["yes", "False", "FALSE", "0", "", " false"])
def test_only_exactly_false_opts_out(text: str) -> None:
    [(_, message)] = problems(connector="a", inject=text)
    assert message.endswith(f'must be "false" (opts out) or "true", not {text!r}')


def test_an_opt_out_skips_all_other_annotations() -> None:
    assert parse(inject="false", port="x").is_opted_out
    assert not parse(inject="true", connector="a").is_opted_out


def test_publishing_needs_a_connector_and_the_pypirc() -> None:
    assert [reason for reason, _ in problems(publish_connector="a")] == ["PublishWithoutConnector"]
    refused = problems(connector="a", publish_connector="b", configurations="pipconf")
    assert [reason for reason, _ in refused] == ["PublishWithoutPypirc"]


def test_the_sidecar_is_no_container_to_select() -> None:
    [(_, message)] = problems(connector="a", containers="app,pypi-connector")
    assert "it is the sidecar itself" in message


def test_an_unknown_annotation_is_a_warning() -> None:
    request = parse(connector="a", conector="b", result="{}")
    assert request.warnings == (
        "annotation connectors.alauda.io/conector is not known: did you mean connector?",
    )


def test_foreign_annotations_are_ignored() -> None:
    assert parse_annotations({"example.com/connector": "x"}, namespace="a") == Request()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5),
        ("1Ki", 1024),
        ("1k", 1000),
        ("2e3", 2000),
        ("1E", 10**18),
    ],
)
def test_a_quantity_is_read_as_in_kubernetes(text: str, number: float) -> None:
    quantity = parse_quantity(text)
    assert quantity is not None
    assert float(quantity) == number


def test_fractions_of_a_quantity_are_exact() -> None:
    assert [str(parse_quantity(text)) for text in ("100m", "1u", "1n")] == ["0.100", "0.000001", "1E-9"]


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1 Mi", "1mi", "Mi", "1.2.3", "1KiB", "1e", "NaN", "\u0661"]
)
def test_any_other_text_is_no_quantity(text: str) -> None:
    assert parse_quantity(text) is None

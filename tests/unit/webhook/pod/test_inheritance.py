"""The annotations that a Pod has from its Namespace: which, and what is known of them in a second round."""

import json
from typing import Any

import pytest

from webhook import names
from webhook.pod.inheritance import RESULT_LIMIT, Inheritance, inherit
from webhook.pod.namespace import NamespaceFacts

EVERY = {
    names.CONNECTOR: "pypi",
    names.PUBLISH_CONNECTOR: "up",
    names.CONFIGURATIONS: "pypirc",
    names.CONTAINERS: "app,tools",
    names.PORT: "8123",
    names.CPU_REQUEST: "20m",
    names.CPU_LIMIT: "1",
    names.MEMORY_REQUEST: "40Mi",
    names.MEMORY_LIMIT: "200Mi",
    names.LOG_LEVEL: "debug",
}


def facts(annotations: dict[str, str] | None = None, label: str = names.OPTED_IN) -> NamespaceFacts:
    return NamespaceFacts({names.INJECT: label}, annotations=EVERY if annotations is None else annotations)


def pod(annotations: dict[str, str] | None = None, *containers: str) -> dict[str, Any]:
    present = [{"name": name} for name in containers or ("app", "tools")]
    metadata = {} if annotations is None else {"annotations": annotations}
    return {"metadata": metadata, "spec": {"containers": present}}


def test_every_annotation_of_an_author_but_inject_can_be_inherited() -> None:
    assert set(EVERY) == set(names.AUTHOR_ANNOTATIONS) - {names.INJECT}
    assert inherit(pod(), facts()).inherited == EVERY


@pytest.mark.parametrize("name", EVERY)
def test_a_pods_own_annotation_wins(name: str) -> None:
    found = inherit(pod({name: "own"}), facts())
    assert found.annotations[name] == "own"
    assert name not in found.inherited


@pytest.mark.parametrize("own", ["other", "pypi", ""])
def test_what_belongs_to_the_namespaces_connector_stays_with_it(own: str) -> None:
    found = inherit(pod({names.CONNECTOR: own}), facts())
    assert found.asks_itself
    assert not found.is_asked_by_namespace
    assert not {names.PUBLISH_CONNECTOR, names.PORT} & set(found.annotations)
    assert found.annotations[names.LOG_LEVEL] == "debug"


def test_a_publish_connector_alone_goes_with_the_namespaces_connector() -> None:
    found = inherit(pod({names.PUBLISH_CONNECTOR: "own"}), facts())
    assert (found.annotations[names.CONNECTOR], found.annotations[names.PORT]) == ("pypi", "8123")
    assert found.annotations[names.PUBLISH_CONNECTOR] == "own"
    assert found.asks_itself


@pytest.mark.parametrize(
    ("annotations", "namespace"),
    [
        ({names.INJECT: "false"}, facts()),
        ({"kubernetes.io/config.mirror": "0"}, facts()),
        ({}, facts(label="true")),
        ({}, facts(label="Enabled")),
        ({}, NamespaceFacts(annotations=EVERY)),
        ({}, facts({key: text for key, text in EVERY.items() if key != names.CONNECTOR})),
        ({}, facts({})),
    ],
)
def test_nothing_is_inherited(annotations: dict[str, str], namespace: NamespaceFacts) -> None:
    found = inherit(pod(annotations), namespace)
    assert (found.annotations, found.inherited) == (annotations, {})


def test_annotations_of_others_stay_on_the_namespace() -> None:
    others = {
        **EVERY,
        "example.com/owner": "x",
        names.INJECT: "false",
        names.RESULT: "x",
        names.GROUP + "/x": "y",
    }
    assert inherit(pod(), facts(others)).inherited == EVERY


@pytest.mark.parametrize(
    ("text", "own", "chosen"),
    [
        (" tools , app,tools", {}, "tools,app"),
        ("app,elsewhere", {}, "app"),
        ("elsewhere", {}, "elsewhere"),
        ("elsewhere", {names.CONNECTOR: "own"}, None),
        ("", {}, ""),
        ("", {names.CONNECTOR: "own"}, ""),
    ],
)
def test_of_the_containers_those_of_the_pod_count(text: str, own: dict[str, str], chosen: str | None) -> None:
    found = inherit(pod(own), facts({names.CONNECTOR: "pypi", names.CONTAINERS: text}))
    assert found.annotations.get(names.CONTAINERS) == chosen


# -- a second round


def again(found: Inheritance, namespace: NamespaceFacts, **result: object) -> Inheritance:
    """The Pod as the first round leaves it."""
    written = {names.RESULT_INHERITED: list(found.inherited), names.RESULT_ASKED_BY: "Namespace", **result}
    return inherit(pod({**found.annotations, names.RESULT: json.dumps(written)}), namespace)


def test_a_second_round_knows_what_was_inherited() -> None:
    first = inherit(pod(), facts())
    second = again(first, facts())
    assert second.inherited == first.inherited
    assert (second.asks_itself, second.is_asked_by_namespace) == (True, True)


def test_a_copy_elsewhere_has_its_annotations_as_its_own() -> None:
    first = inherit(pod(), facts())
    for elsewhere in (NamespaceFacts(), facts({names.CONNECTOR: "other"}), facts(label="no")):
        second = again(first, elsewhere)
        assert not second.is_asked_by_namespace
        assert names.CONNECTOR not in second.inherited


@pytest.mark.parametrize(
    "result",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"inherited": 7, "askedBy": "Namespace"}',
        '{"inherited": [["connectors.alauda.io/connector"]], "askedBy": "Namespace"}',
        '{"inherited": {"a": 1}, "askedBy": []}',
        "[" * 10_000,
        json.dumps({"inherited": list(EVERY), "askedBy": "Namespace", "x": "x" * RESULT_LIMIT}),
    ],
)
def test_any_result_can_be_read(result: str) -> None:
    """The annotation may be anybody's."""
    found = inherit(pod({names.CONNECTOR: "pypi", names.RESULT: result}), facts())
    assert not found.is_asked_by_namespace
    assert names.CONNECTOR not in found.inherited

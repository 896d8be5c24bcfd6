"""`ConnectorKey`: the identity of a Connector, and its spellings."""

import pytest

from webhook.errors import InvalidValue
from webhook.identifiers import ConnectorKey, is_object_name, is_subdomain

PYPI = ConnectorKey("team-a", "pypi.internal")


def test_a_key_reads_as_people_write_it() -> None:
    assert str(PYPI) == f"{PYPI}" == "team-a/pypi.internal"
    assert ConnectorKey.parse(str(PYPI)) == PYPI


def test_a_bare_name_is_of_the_default_namespace() -> None:
    assert ConnectorKey.parse("pypi.internal", default_namespace="team-a") == PYPI
    assert ConnectorKey.parse("team-a/pypi.internal", default_namespace="other") == PYPI


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a/",
        "/a",
        "a/b/c",
        "a.b/c",
        "a/B",
        "a/b ",
        "-a/b",
        "a/b-",
        f"{'a' * 64}/b",
        f"a/{'b' * 254}",
        "a/b\n",
    ],
)
def test_any_other_text_is_refused_with_the_spelling_that_is_expected(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ConnectorKey.parse(text)
    assert refused.value.what == f"must read namespace/name in lower case, not {text!r}"


@pytest.mark.parametrize("text", ["", "A", "a b", "/b"])
def test_with_a_default_namespace_both_spellings_are_named(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ConnectorKey.parse(text, default_namespace="team")
    assert refused.value.what == f"must read name or namespace/name in lower case, not {text!r}"


def test_a_bare_name_without_a_namespace_is_refused() -> None:
    with pytest.raises(InvalidValue):
        ConnectorKey.parse("pypi")
    with pytest.raises(InvalidValue):
        ConnectorKey.parse("pypi", default_namespace="")


@pytest.mark.parametrize("text", ["", "a.", ".a", "a..b", "a.-b", "A", "a b", "a;b", "a" * 254])
def test_a_name_that_the_api_server_refuses_is_no_objects_name(text: str) -> None:
    assert not is_object_name(text)


@pytest.mark.parametrize("text", ["a", "a.b-c.d", "0", "a" * 253])
def test_an_objects_name_may_be_any_subdomain(text: str) -> None:
    assert is_object_name(text)
    assert is_subdomain(text)

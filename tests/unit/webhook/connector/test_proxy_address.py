"""The address of a Connector's proxy."""

import pytest

from webhook.connector.proxy_address import (
    check_gateway_url,
    cluster_domain,
    own_address,
    path_url,
    service_name,
    service_url,
)
from webhook.errors import InvalidValue
from webhook.identifiers import ConnectorKey

KEY = ConnectorKey("demo", "pypi-connector")


def test_the_address_has_the_form_of_the_reference_system() -> None:
    assert service_url(KEY, "cluster.local") == "http://c-pypi-connector.demo.svc.cluster.local"


def test_the_path_form_serves_a_connector_without_a_service() -> None:
    assert (
        path_url(KEY, "http://gateway.test")
        == "http://gateway.test/namespaces/demo/connectors/pypi-connector/"
    )


@pytest.mark.parametrize("name", ["team.pypi", "a" * 62, "x."])
def test_a_name_that_no_service_can_have_gets_none(name: str) -> None:
    assert service_name(name) is None


def test_the_longest_name_of_a_service_is_a_label() -> None:
    assert service_name("a" * 61) == "c-" + "a" * 61


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("search system.svc.corp.example svc.corp.example corp.example\n", "corp.example"),
        ("nameserver 10.0.0.10\nsearch system.svc.k8s. svc.k8s.\noptions ndots:5\n", "k8s"),
        ("search other.svc.corp.example\n", "cluster.local"),
        ("# search system.svc.commented\n", "cluster.local"),
        ("search\n", "cluster.local"),
        ("", "cluster.local"),
    ],
)
def test_the_cluster_domain_is_in_the_search_list_of_the_pod(text: str, domain: str) -> None:
    assert cluster_domain(text, "system") == domain


# -- where a token may go

OWN = ConnectorKey("connectors-pypi-demo", "pypi-connector")
HOST = "c-pypi-connector.connectors-pypi-demo.svc.cluster.local"
GATEWAY = "pypi-connector-gateway.pypi-connector-system.svc"


@pytest.mark.parametrize(
    "recorded",
    [
        f"http://{HOST}",
        f"http://{HOST}/",
        f"http://{HOST[:-14]}",
        f"http://{GATEWAY}.cluster.local/namespaces/{OWN.namespace}/connectors/{OWN.name}/",
        f"http://{GATEWAY}/namespaces/{OWN.namespace}/connectors/{OWN.name}",
    ],
)
def test_the_recorded_address_is_the_connectors_own(recorded: str) -> None:
    assert own_address(OWN, recorded) == recorded.rstrip("/") + "/"


@pytest.mark.parametrize(
    "recorded",
    [
        "",
        "http://127.0.0.1:28100",
        "http://evil.example",
        f"http://{HOST}.evil.example",
        f"http://{HOST}@evil.example",
        f"http://{HOST}:80@evil.example/",
        f"http://evil.example/{HOST}",
        f"http://{HOST}/x",
        f"http://{HOST}#@evil.example",
        f"http://{HOST}\n",
        f"HTTP://{HOST.upper()}",
        "http://c-other.connectors-pypi-demo.svc.cluster.local",
        "http://c-pypi-connector.other.svc.cluster.local",
        f"https://{HOST}",
        f"http://{GATEWAY}",
        f"http://{GATEWAY}/namespaces/{OWN.namespace}/connectors/other/",
        f"http://{GATEWAY}.evil.example/namespaces/{OWN.namespace}/connectors/{OWN.name}/",
    ],
)
def test_no_other_address_gets_a_token(recorded: str) -> None:
    assert own_address(OWN, recorded) is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.example", "https://a.example/namespaces/n/connectors/c/"),
        ("https://a.example:8443/", "https://a.example:8443/namespaces/n/connectors/c/"),
        ("http://a/b/c", "http://a/b/c/namespaces/n/connectors/c/"),
    ],
)
def test_the_path_form_is_below_any_url(url: str, address: str) -> None:
    assert path_url(ConnectorKey("n", "c"), url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "ftp://a.example",
        "https://",
        "https://user@a.example",
        "https://a.example?x",
        "https://a.example#x",
        "https://a.example:0",
        "https://a.example:x",
        "https://[::1",
        "https://a.example/ä",
        "https://a.example/a b",
        'https://a.example/"',
        "https://a.example/%2e",
        "https://a.example/\n[global]",
    ],
)
def test_another_url_is_a_sentence(url: str) -> None:
    with pytest.raises(InvalidValue, match="must read https://HOST"):
        check_gateway_url(url)


def test_a_name_that_no_service_can_have_is_served_by_path_only() -> None:
    """`c-a.b.team.svc.cluster.local` is the Pod `c-a` of a headless Service `b`: anybody's."""
    key = ConnectorKey("team", "a.b")
    assert own_address(key, "http://c-a.b.team.svc.cluster.local") is None
    assert own_address(key, "http://c-a.b.team.svc") is None
    assert own_address(key, f"http://{GATEWAY}/namespaces/team/connectors/a.b/")

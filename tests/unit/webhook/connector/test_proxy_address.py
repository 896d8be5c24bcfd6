"""The address of a Connector's proxy."""

import pytest

from webhook.connector.proxy_address import cluster_domain, path_url, service_name, service_url
from webhook.identifiers import ConnectorKey

KEY = ConnectorKey("demo", "pypi-connector")


def test_the_address_has_the_form_of_the_reference_system() -> None:
    assert service_url(KEY, "cluster.local") == "http://c-pypi-connector.demo.svc.cluster.local"


def test_the_path_form_serves_a_connector_without_a_service() -> None:
    assert path_url(KEY, "gateway.test") == "http://gateway.test/namespaces/demo/connectors/pypi-connector/"


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

"""The variables of an HTTP proxy that would apply, and a sentence about them where no connection succeeds."""

import pytest

from support.clients.command_line import CONNECTOR, call
from support.servers.registry import Registry
from webhook.command.egress import unused_proxy

HTTPS, HTTP = "https://registry.company.test:8443/simple/", "http://registry.company.test/simple/"


@pytest.mark.parametrize(
    ("environment", "url", "name"),
    [
        ({}, HTTPS, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, HTTPS, "HTTPS_PROXY"),
        ({"https_proxy": "http://proxy:3128", "HTTPS_PROXY": "http://other"}, HTTPS, "https_proxy"),
        ({"HTTPS_PROXY": ""}, HTTPS, None),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "socks5://proxy"}, HTTPS, "ALL_PROXY"),
        ({"HTTP_PROXY": "http://proxy:3128"}, HTTPS, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, HTTP, "HTTP_PROXY"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, HTTP, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "company.test"}, HTTPS, None),
        ({"HTTPS_PROXY": "http://proxy", "no_proxy": ".company.test, other"}, HTTPS, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "registry.company.test:8443"}, HTTPS, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, HTTPS, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "other.test,127.0.0.1"}, HTTPS, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "[::1]"}, "https://[::1]:8443/simple/", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "::1"}, "https://[::1]:8443/simple/", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "[::1]:8443"}, "https://[::1]:8443/simple/", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "[FD00::0:1]"}, "https://[fd00::1]/simple/", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "[::1]:1"}, "https://[::1]/simple/", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "[::1],::2"}, "https://[::2]/simple/", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "[::1"}, "https://[::1]/simple/", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "1"}, "https://[::1]/simple/", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "Company.Test."}, HTTPS, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "company.test:8443"}, HTTPS, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "company.test:1"}, HTTPS, "HTTPS_PROXY"),
    ],
)
def test_a_variable_that_clients_would_use_is_named(
    environment: dict[str, str], url: str, name: str | None
) -> None:
    sentence = unused_proxy(environment, url)
    assert (sentence is None) == (name is None)
    if sentence:
        assert sentence.startswith(f"{name} is set here and is not used: ")
        assert "proxy:3128" not in sentence, "its URL may hold a password"


NOWHERE = CONNECTOR.replace("pypi.example.com", "registry.invalid").replace(
    "  auth: {name: basicAuth, secretRef: {name: s}}\n", ""
)


@pytest.mark.parametrize(
    "command", [["check", "-f", "-"], ["run", "-f", "-", "--", "sh", "-c", "curl -s $PIP_INDEX_URL; true"]]
)
def test_a_connection_that_fails_names_the_variable_once(command: list[str]) -> None:
    """Where only the company's proxy knows the registry's name."""
    with Registry() as proxy:
        result = call(*command, stdin=NOWHERE, HTTPS_PROXY=proxy.origin)
        said = result.stdout + result.stderr
        assert said.count("HTTPS_PROXY is set here and is not used") == 1, said
        assert proxy.requests == []
        assert "is not used" not in call(*command, stdin=NOWHERE).stdout


def test_a_registry_that_answers_has_no_such_sentence() -> None:
    with Registry() as registry:
        manifest = NOWHERE.replace("https://registry.invalid", registry.origin)
        registry.page("/simple/", b"")
        for command in (["check", "-f", "-"], ["run", "-f", "-", "--", "sh", "-c", "curl -s $PIP_INDEX_URL"]):
            result = call(*command, stdin=manifest, http_proxy="http://127.0.0.1:9", NO_PROXY="other.test")
            assert "is not used" not in result.stdout + result.stderr
        assert registry.requests

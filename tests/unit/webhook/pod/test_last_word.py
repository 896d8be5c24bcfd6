"""The webhooks of others that are called after our last turn; tests/api/injectors shows that they are."""

from typing import Any

import pytest

from webhook.pod.last_word import last_words

RULE = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["pods"],
    "scope": "*",
}
FOUND = "pods.example of MutatingWebhookConfiguration"


def configuration(name: str, *rules: dict[str, Any], policy: str = "IfNeeded") -> dict[str, Any]:
    hook = {"name": "pods.example", "reinvocationPolicy": policy, "rules": list(rules)}
    return {"metadata": {"name": name}, "webhooks": [hook]}


def test_only_names_after_ours_have_the_last_word_in_their_order() -> None:
    listed = ["z", "pypi-connector-2", "pypi-connector", "pypi", "a"]
    found = last_words([configuration(name, RULE) for name in listed])
    assert found == [f"{FOUND} pypi-connector-2", f"{FOUND} z"]


def test_a_webhook_that_is_called_once_has_not() -> None:
    assert last_words([configuration("z", RULE, policy="Never")]) == []
    without_policy = {"metadata": {"name": "z"}, "webhooks": [{"name": "x", "rules": [RULE]}]}
    assert last_words([without_policy, {"metadata": {"name": "z"}}, {}]) == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scope": "Namespaced"},
        {"apiGroups": ["apps", ""]},
        {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]},
        {"resources": ["*/*"]},
        {"resources": ["services", "pods/*"]},
        {"operations": ["UPDATE", "CREATE"]},
    ],
)
def test_rules_that_select_new_pods(fields: dict[str, Any]) -> None:
    other = {**RULE, "resources": ["services"]}
    assert last_words([configuration("z", other, {**RULE, **fields})]) == [f"{FOUND} z"]


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "Cluster"},
        {"apiGroups": ["apps"]},
        {"apiVersions": ["v2"]},
        {"operations": ["UPDATE"]},
        {"resources": ["pods/ephemeralcontainers", "pods/status", "*/status", "podtemplates"]},
        {"resources": []},
    ],
)
def test_rules_that_do_not(fields: dict[str, Any]) -> None:
    assert last_words([configuration("z", {**RULE, **fields}), configuration("z")]) == []

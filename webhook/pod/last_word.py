"""The webhooks of others that have the last word on a new Pod. Pure.

The API server calls the webhooks in two rounds, each in the order of their configurations' names. Round 1 has
those with `reinvocationPolicy: IfNeeded`, as ours, if a later webhook or plugin has changed the Pod:

    round 0    a-injector    pypi-connector adds its container    z-injector drops a field of it
    round 1                  pypi-connector restores the field    z-injector drops it again, if it is IfNeeded

(kubernetes/kubernetes, apiserver/pkg/admission/plugin/webhook/mutating/dispatcher.go.) So only a webhook like
z-injector can leave our container incomplete. Selectors and conditions are not evaluated.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from webhook import names


def last_words(configurations: Iterable[Mapping[str, Any]]) -> list[str]:
    """Such as `mesh.example of MutatingWebhookConfiguration z-mesh`, in the order of their calls."""
    later = [entry for entry in configurations if _name(entry) > names.WEBHOOK_CONFIGURATION]
    return [
        f"{hook.get('name')} of MutatingWebhookConfiguration {_name(entry)}"
        for entry in sorted(later, key=_name)
        for hook in entry.get("webhooks") or []
        if hook.get("reinvocationPolicy") == "IfNeeded" and _reviews_new_pods(hook)
    ]


def _name(configuration: Mapping[str, Any]) -> str:
    return str((configuration.get("metadata") or {}).get("name"))


def _reviews_new_pods(hook: Mapping[str, Any]) -> bool:
    return any(
        _has(rule.get("apiGroups"), "")
        and _has(rule.get("apiVersions"), "v1")
        and _has(rule.get("operations"), "CREATE")
        and any(_are_pods(str(resource)) for resource in rule.get("resources") or [])
        and rule.get("scope") != "Cluster"
        for rule in hook.get("rules") or []
    )


def _has(values: Collection[str] | None, value: str) -> bool:
    return not {"*", value}.isdisjoint(values or ())


def _are_pods(resource: str) -> bool:
    """`pods/*` and `*/*` are the objects and their subresources; `*/status` is subresources alone."""
    kind, _, subresource = resource.partition("/")
    return kind in ("*", "pods") and subresource in ("", "*")

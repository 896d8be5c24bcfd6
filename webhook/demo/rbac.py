"""RBAC for one question: may this identity use that Connector? Pure, over manifests.

Read are RoleBindings in the Connector's namespace, ClusterRoleBindings, Roles and ClusterRoles; of them
subjects, apiGroups, resources, verbs and resourceNames. No aggregation: in a cluster, the API server answers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from webhook import names
from webhook.grant.cluster import PROXY_RESOURCE, TokenIdentity, Verb

Manifest = Mapping[str, Any]


def is_allowed(
    manifests: Iterable[Manifest], who: TokenIdentity, verb: Verb, namespace: str, connector: str
) -> bool:
    known = list(manifests)
    roles = {
        _role_key(one): one.get("rules") or [] for one in known if one.get("kind") in ("Role", "ClusterRole")
    }
    for binding in known:
        kind, place = binding.get("kind"), _namespace(binding)
        if not (kind == "ClusterRoleBinding" or (kind == "RoleBinding" and place == namespace)):
            continue
        reference = binding.get("roleRef") or {}
        role = (
            reference.get("kind"),
            place if reference.get("kind") == "Role" else None,
            reference.get("name"),
        )
        subjects = binding.get("subjects") or []
        if any(_is_subject(one, who, place) for one in subjects) and any(
            _grants(rule, verb, connector) for rule in roles.get(role, [])
        ):
            return True
    return False


def _namespace(manifest: Manifest) -> str:
    return str((manifest.get("metadata") or {}).get("namespace") or "default")


def _role_key(role: Manifest) -> tuple[str | None, str | None, str | None]:
    place = _namespace(role) if role.get("kind") == "Role" else None
    return role.get("kind"), place, (role.get("metadata") or {}).get("name")


def _is_subject(subject: Manifest, who: TokenIdentity, binding_namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        place = subject.get("namespace") or binding_namespace
        return who.username == f"system:serviceaccount:{place}:{name}"
    return (kind == "User" and name == who.username) or (kind == "Group" and name in who.groups)


def _grants(rule: Manifest, verb: Verb, connector: str) -> bool:
    resource, sub_resource = PROXY_RESOURCE
    resources = {"*", f"*/{sub_resource}", f"{resource}/{sub_resource}"}
    only = rule.get("resourceNames") or []
    return (
        not {"*", names.GROUP}.isdisjoint(rule.get("apiGroups") or [])
        and not resources.isdisjoint(rule.get("resources") or [])
        and not {"*", verb}.isdisjoint(rule.get("verbs") or [])
        and (not only or connector in only)
    )

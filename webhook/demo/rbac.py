"""RBAC for a single question: may this identity use that Connector? Pure, over manifests.

It reads RoleBindings in the Connector's namespace, ClusterRoleBindings, Roles and ClusterRoles. Of these it
reads subjects, apiGroups, resources, verbs and resourceNames. It does not aggregate roles: in a cluster, the
API server answers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from webhook import names
from webhook.grant.cluster import PROXY_RESOURCE, TokenIdentity, Verb

Manifest = Mapping[str, Any]


def is_allowed(
    manifests: Iterable[Manifest], identity: TokenIdentity, verb: Verb, namespace: str, connector: str
) -> bool:
    objects = list(manifests)
    roles = {
        _role_key(role): role.get("rules") or []
        for role in objects
        if role.get("kind") in ("Role", "ClusterRole")
    }
    for binding in objects:
        kind, binding_namespace = binding.get("kind"), _namespace(binding)
        if not (kind == "ClusterRoleBinding" or (kind == "RoleBinding" and binding_namespace == namespace)):
            continue
        reference = binding.get("roleRef") or {}
        role_namespace = binding_namespace if reference.get("kind") == "Role" else None
        rules = roles.get((reference.get("kind"), role_namespace, reference.get("name")), [])
        subjects = binding.get("subjects") or []
        is_bound = any(_is_subject(subject, identity, binding_namespace) for subject in subjects)
        if is_bound and any(_grants(rule, verb, connector) for rule in rules):
            return True
    return False


def _namespace(manifest: Manifest) -> str:
    return str((manifest.get("metadata") or {}).get("namespace") or "default")


def _role_key(role: Manifest) -> tuple[str | None, str | None, str | None]:
    namespace = _namespace(role) if role.get("kind") == "Role" else None
    return role.get("kind"), namespace, (role.get("metadata") or {}).get("name")


def _is_subject(subject: Manifest, identity: TokenIdentity, binding_namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        namespace = subject.get("namespace") or binding_namespace
        return identity.username == f"system:serviceaccount:{namespace}:{name}"
    return (kind == "User" and name == identity.username) or (kind == "Group" and name in identity.groups)


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

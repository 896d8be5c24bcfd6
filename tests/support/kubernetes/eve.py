"""Eve: a ServiceAccount with every verb on Pods and Connectors of one namespace, and no right on Secrets."""

from support.kubernetes.kube import Kube

NAME = "eve"

RIGHTS = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: eve}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: eve}
rules:
  - apiGroups: [""]
    resources:
      - pods
      - pods/attach
      - pods/binding
      - pods/ephemeralcontainers
      - pods/eviction
      - pods/exec
      - pods/log
      - pods/portforward
      - pods/resize
      - pods/status
    verbs: ["*"]
  - {apiGroups: [connectors.alauda.io], resources: ["*"], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: eve}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: eve}
subjects: [{kind: ServiceAccount, name: eve}]
"""


def arrive(kube: Kube, namespace: str) -> Kube:
    """The namespace as she sees it, once she has her rights there."""
    kube.apply(RIGHTS, namespace=namespace)
    return kube.as_service_account(namespace, NAME)

"""Namespaces that restrict: Pod Security, an arbitrary user, a read-only root, quota, limits."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.kubernetes.kube import Kube
from support.scenarios.scenes import Registry, connector, job, run_job
from webhook import names

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
INSTALL = "pip install --no-cache-dir --target /tmp/site hello-connector"


@pytest.fixture
def restricted(installed: Kube, registry: Registry) -> Iterator[str]:
    with installed.namespace(labels=RESTRICTED, prefix="restricted") as name:
        installed.create(*connector("team-pypi", registry), namespace=name)
        yield name


def restricted_job(name: str, *, user: int | None = None, **resources: Any) -> dict[str, Any]:
    """What a careful author writes: nothing of it may need to be loosened for the sidecar."""
    security = {**POD_SECURITY, **({} if user is None else {"runAsUser": user, "runAsGroup": 0})}
    volumes = [{"name": "tmp", "emptyDir": {}}]
    manifest = job(name, INSTALL, "team-pypi", securityContext=security, volumes=volumes)
    main = manifest["spec"]["template"]["spec"]["containers"][0]
    main["securityContext"] = CONTAINER_SECURITY
    main["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]
    main["env"] = [{"name": "HOME", "value": "/tmp"}]
    if resources:
        main["resources"] = resources
    return manifest


@pytest.mark.parametrize("user", [None, 1000710000])
def test_under_pod_security_restricted_it_installs_as_any_user(
    installed: Kube, restricted: str, user: int | None
) -> None:
    """The second is a user as OpenShift assigns them: of the Pod, and so of the sidecar too."""
    outcome = run_job(installed, restricted, restricted_job("install", user=user))
    assert outcome.succeeded, outcome.log
    assert outcome.sidecar_log


def test_a_quota_and_a_limit_range_are_kept_and_do_not_refuse_the_sidecar(
    installed: Kube, restricted: str
) -> None:
    hard = {
        "limits.cpu": "2",
        "limits.memory": "1Gi",
        "requests.cpu": "1",
        "requests.memory": "1Gi",
        "pods": "5",
    }
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}
    limits = [
        {
            "type": "Container",
            "default": {"cpu": "300m", "memory": "256Mi"},
            "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
            "max": {"cpu": "1", "memory": "512Mi"},
            "min": {"cpu": "5m", "memory": "16Mi"},
        }
    ]
    limit_range = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "l"},
        "spec": {"limits": limits},
    }
    installed.create(quota, limit_range, namespace=restricted)
    outcome = run_job(installed, restricted, restricted_job("install"))
    assert outcome.succeeded, outcome.log
    sidecar = next(one for one in outcome.pod["spec"]["initContainers"] if one["name"] == names.SIDECAR)
    assert set(sidecar["resources"]["limits"]) == {"cpu", "memory"}
    assert sidecar["resources"]["requests"] == {"cpu": "10m", "memory": "32Mi"}


def test_a_guaranteed_pod_stays_guaranteed(installed: Kube, restricted: str) -> None:
    same = {"cpu": "250m", "memory": "256Mi"}
    outcome = run_job(installed, restricted, restricted_job("install", limits=same, requests=same))
    assert outcome.succeeded, outcome.log
    assert outcome.pod["status"]["qosClass"] == "Guaranteed"


@pytest.mark.parametrize(
    ("own", "class_name"),
    [
        (
            {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}},
            "Burstable",
        ),
        ({"limits": {"cpu": "500m", "memory": "256Mi"}}, "Guaranteed"),
        ({"requests": {"cpu": "250m", "memory": "256Mi"}}, "Guaranteed"),
    ],
)
def test_a_pod_with_resources_of_its_own_is_served_and_keeps_its_class(
    installed: Kube, restricted: str, own: dict[str, Any], class_name: str
) -> None:
    """The third: the container's limits make up the Pod's, and a sidecar's limit of 0 changes no sum."""
    is_summed = "limits" not in own
    manifest = restricted_job("install", **({"limits": own["requests"]} if is_summed else {}))
    manifest["spec"]["template"]["spec"]["resources"] = own
    outcome = run_job(installed, restricted, manifest)
    assert outcome.succeeded, outcome.log
    assert outcome.pod["status"]["qosClass"] == class_name
    assert outcome.sidecar_log

"""ReplicaSets of admission and broker, with the settings that name sidecar images."""

from typing import Any

from webhook import names


def replica_set(
    *images: str, owner: str = names.BROKER, wanted: int = 1, present: int = 0, **changes: Any
) -> dict[str, Any]:
    first, *further = images or ("",)
    env = [{"name": "WEBHOOK_SIDECAR_IMAGE", "value": first}, {"name": "WEBHOOK_NAMESPACE", "valueFrom": {}}]
    if further:
        env.append({"name": "WEBHOOK_ALLOWED_IMAGES", "value": ", ".join(further)})
    template = {"spec": {"containers": [{"name": "webhook", "env": env}, {"name": "other"}]}}
    reference = {"kind": "Deployment", "name": owner, "controller": True}
    return {
        "metadata": {"name": f"{owner}-1", "ownerReferences": [reference]},
        "spec": {"replicas": wanted, "template": template},
        "status": {"replicas": present},
        **changes,
    }

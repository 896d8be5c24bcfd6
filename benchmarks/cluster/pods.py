"""The Pods whose start is compared: a Pod without the product, the injected Pod, and steps between. Pure.

A step is the injected Pod without some of its parts. It has other names, and a token of another audience: the
product's guards refuse a sidecar that is written by hand.
"""

import copy
from collections.abc import Iterator

from benchmarks.cluster.api import Object
from support.scenarios import scenes
from webhook import names

SAY_WHEN = "date +%s.%N > /dev/termination-log"
"""The main container's first instruction: the machine's clock, into the Pod's status"""
IDLE = ["sh", "-c", "exec sleep infinity"]
AT_ONCE = ["sh", "-c", ":"]
"""A hook that returns at once; the sidecar's image has no `true`"""
GRACE_SECONDS = 1
"""`sleep` as a first process ignores SIGTERM, and a Pod must be gone before the next one is measured"""
_OWN = "by-hand"


def bare(connector: str | None = None) -> Object:
    """A Pod, annotated if there is a connector. The API server chooses its name."""
    pod: Object = scenes.pod("start", SAY_WHEN, connector, terminationGracePeriodSeconds=GRACE_SECONDS)
    pod["metadata"] = {"generateName": "start-", "annotations": pod["metadata"]["annotations"]}
    return pod


def with_sidecar(image: str, *, has_hook: bool = False) -> Object:
    """A native sidecar that does nothing: `sleep`, from the sidecar's own image."""
    pod = bare()
    sidecar: Object = {"name": _OWN, "image": image, "command": IDLE, "restartPolicy": "Always"}
    if has_hook:
        sidecar["lifecycle"] = {"postStart": {"exec": {"command": AT_ONCE}}}
    pod["spec"]["initContainers"] = [sidecar]
    return pod


def by_hand(injected: Object) -> Object:
    """The injected Pod as its author could write it: with all parts, without admission."""
    spec = copy.deepcopy(injected["spec"])
    for name_holder in _name_holders(spec):
        name_holder["name"] = name_holder["name"].replace(names.SIDECAR, _OWN)
    for volume in spec["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            if source.get("serviceAccountToken", {}).get("audience"):
                source["serviceAccountToken"]["audience"] = _OWN
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "start-"}, "spec": spec}


def idle(written: Object) -> Object:
    """The same with `sleep` in place of our program, and a hook that returns at once in place of the gate."""
    pod = copy.deepcopy(written)
    sidecar = pod["spec"]["initContainers"][0]
    sidecar["command"] = IDLE
    sidecar["lifecycle"] = {"postStart": {"exec": {"command": AT_ONCE}}}
    return pod


def _name_holders(spec: Object) -> Iterator[Object]:
    """All objects with a name of ours: the container, the volumes, and their mounts."""
    yield from spec["initContainers"]
    yield from spec["volumes"]
    for container in (*spec["initContainers"], *spec["containers"]):
        yield from container["volumeMounts"]

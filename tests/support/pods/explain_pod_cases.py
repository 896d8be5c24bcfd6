"""Cases for `explain`: a Pod that is served, or that is not for what it says or for how its sidecar fares."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from support.pods.explain_facts import (
    GRANTED,
    OK,
    READY,
    SERVED,
    SHARED,
    UNREACHABLE,
    Json,
    bare,
    connector,
    event,
    facts,
    fresh,
    injected,
    kubelet,
    line,
    observed,
    phase,
    time,
)
from webhook import names
from webhook.explain.facts import Facts, Unread


def owned(kind: str, name: str, *, misplaced: bool) -> Json:
    annotations = {names.CONNECTOR: "pypi"} if misplaced else {}
    return {
        "kind": kind,
        "metadata": {"name": name, "uid": f"u-{name}", "annotations": annotations},
        "spec": {},
    }


def ended(detail: str, **fields: Any) -> Json:
    last_line = json.dumps({"level": "error", "message": "cannot start", "detail": detail})
    return {"terminated": {"exitCode": 2, "reason": "Error", "message": last_line, **fields}}


PORT_TAKEN = (
    "port 28100 on 127.0.0.1, for connector team/pypi, cannot be taken: address already in use; choose "
    "another one: for a Pod with the annotation connectors.alauda.io/port, for `run` with --port"
)


def creation(kind: str, name: str, message: str) -> Json:
    reference = {"kind": kind, "name": name}
    return {
        "reason": "FailedCreate",
        "involvedObject": reference,
        "message": message,
        "lastTimestamp": time(8),
    }


REFUSED_JOB = creation(
    "Job",
    "build",
    'Error creating: admission webhook "pods.connectors.alauda.io" denied the request: connector pip not '
    "found in namespace team: create it, or name another",
)


def job(*, misplaced: bool = False, name: str = "build", **annotations: str) -> Json:
    return {
        **owned("Job", name, misplaced=misplaced),
        "spec": {"template": {"metadata": bare(**annotations)["metadata"], "spec": {}}},
    }


def without_restart_policy() -> Json:
    pod = injected()
    del pod["spec"]["initContainers"][0]["restartPolicy"]
    return pod


def labelled() -> Json:
    pod = bare()
    pod["metadata"]["labels"] = {names.CONNECTOR: "pypi"}
    return pod


def unscheduled() -> Json:
    cause = "0/3 nodes are available: 3 Insufficient memory."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": cause}
    return {**injected(), "status": {"phase": "Pending", "conditions": [unscheduled]}}


def created(pod: Json, seconds_ago: float) -> Json:
    return {**pod, "metadata": {**pod["metadata"], "creationTimestamp": time(seconds_ago)}}


def deleted(pod: Json) -> Json:
    return {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": time(4)}}


def starting(*, started: bool) -> Json:
    pod = injected(state=None if started else {"waiting": {"reason": "PodInitializing"}})
    pod["status"]["initContainerStatuses"][0]["started"] = False
    return pod


def with_csi_volume(pod: Json) -> Json:
    """As the reference system's users write it."""
    attributes = {"connector.name": "pypi", "connector.namespace": "shared"}
    volume = {"name": "pip-conf", "csi": {"driver": "connectors-csi", "volumeAttributes": attributes}}
    spec = {**pod["spec"], "volumes": [*pod["spec"].get("volumes", []), volume]}
    return {**pod, "spec": spec}


def static() -> Json:
    pod = bare(connector="pypi")
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "x"
    return pod


POD_CASES: Mapping[str, Callable[[], Facts]] = {
    # served
    "served": lambda: facts(injected()),
    "nothing-asked-for-yet": lambda: fresh(injected()),
    "several-connectors": lambda: facts(
        injected(connector="pypi,shared/mirror", publish_connector="shared/up", containers="main"),
        events=[
            event("Granted", "install"),
            event("Granted", "install", key="shared/mirror"),
            event("Granted", "install and upload", key="shared/up"),
        ],
        connectors=dict.fromkeys(("team/pypi", "shared/mirror", "shared/up"), READY),
    ),
    "read-only-connector": lambda: facts(
        injected(configurations="pipconf,pypirc"),
        events=[event("Granted", "install")],
        connectors={"team/pypi": observed(connector(access="read"), OK)},
    ),
    "no-upload-and-none-asked-for": lambda: facts(
        injected(connector="shared/pypi"),
        events=[event("Granted", "install", key="shared/pypi")],
        log=[],
        connectors={"shared/pypi": SHARED},
    ),
    "an-upload-was-refused": lambda: facts(
        injected(connector="shared/pypi"),
        events=[event("Granted", "install", key="shared/pypi")],
        log=[
            line(
                4,
                key="shared/pypi",
                method="POST",
                status=403,
                action=None,
                reason="upload-not-granted",
                detail="this Pod may not upload: pypirc, access: readwrite and permission are needed",
            )
        ],
        connectors={"shared/pypi": SHARED},
    ),
    "a-csi-volume": lambda: facts(with_csi_volume(bare()), events=[], log=[], connectors={}),
    "a-csi-volume-beside-the-annotation": lambda: fresh(with_csi_volume(injected())),
    "no-right-to-upload": lambda: facts(
        injected(connector="shared/pypi", publish_connector="shared/pypi"),
        events=[event("Granted", "install", key="shared/pypi")],
        log=[],
        connectors={"shared/pypi": SHARED},
    ),
    "ended": lambda: facts(
        phase(injected(), "Succeeded"), events=[GRANTED, event("PodFinished", "it has ended", 1)]
    ),
    "old-pod-without-events": lambda: fresh(created(injected(), 9000)),
    "old-pod-served-without-events": lambda: facts(created(injected(), 9000), events=[]),
    "refused-then-served": lambda: facts(injected(), events=[event("SecretNotFound", "no Secret", 100)]),
    "broker-was-away": lambda: facts(
        injected(), log=[line(80, **UNREACHABLE), line(70, **UNREACHABLE), *SERVED]
    ),
    # it was not created
    "job-refused": lambda: facts(
        None, workload=job(connector="pip"), creations=[REFUSED_JOB], connectors={"team/pip": None}
    ),
    "job-refused-webhook-away": lambda: facts(
        None,
        workload=job(connector="pypi"),
        creations=[
            creation(
                "Job",
                "build",
                'Error creating: Internal error occurred: failed calling webhook "pods.connectors.alauda.io"'
                ": connection refused",
            )
        ],
    ),
    "job-without-pod": lambda: facts(None, workload=job(connector="pypi"), creations=[]),
    "job-events-unread": lambda: facts(
        None,
        workload=job(connector="pypi"),
        creations=Unread("you may not read Events in namespace team: ask an administrator"),
    ),
    "statefulsets-pod-refused": lambda: replace(
        facts(
            None, creations=[creation("StatefulSet", "web", "create Pod web-0 failed: denied the request: x")]
        ),
        name="web-0",
    ),
    "newest-pod-of-a-job": lambda: facts(injected(), workload=job(connector="pypi")),
    # it does not ask
    "no-annotation": lambda: fresh(bare()),
    "no-annotation-in-a-template": lambda: fresh(bare(), owners=[job()]),
    "annotation-on-the-job": lambda: fresh(bare(), owners=[job(misplaced=True)]),
    "annotation-on-the-deployment": lambda: fresh(
        bare(),
        owners=[owned("ReplicaSet", "web-5d9", misplaced=True), owned("Deployment", "web", misplaced=True)],
    ),
    "annotation-on-the-cronjob": lambda: facts(None, workload=owned("CronJob", "nightly", misplaced=True)),
    "a-label-instead": lambda: fresh(labelled()),
    "a-misspelt-annotation": lambda: fresh(bare(conector="pypi")),
    "an-invalid-annotation": lambda: fresh(bare(connector="Team/PyPI", port="80")),
    "opted-out": lambda: fresh(bare(connector="pypi", inject="false")),
    # it was not injected
    "webhook-not-registered": lambda: fresh(bare(connector="pypi"), registration=None),
    "webhook-registration-unread": lambda: fresh(
        bare(connector="pypi"),
        registration=Unread("you may not read webhook registrations: ask an administrator"),
    ),
    "older-than-the-webhook": lambda: fresh(created(bare(connector="pypi"), 9001)),
    "annotated-later": lambda: fresh(bare(connector="pypi")),
    "in-kube-system": lambda: replace(fresh(bare(connector="pypi")), namespace="kube-system"),
    "a-static-pod": lambda: fresh(static()),
    # its sidecar does not run
    "restart-policy-dropped": lambda: fresh(without_restart_policy()),
    "not-scheduled": lambda: fresh(unscheduled()),
    "not-mounted": lambda: fresh(
        starting(started=False), events=[kubelet("FailedMount", 'MountVolume.SetUp failed for volume "data"')]
    ),
    "gate-not-open": lambda: fresh(starting(started=True)),
    "image-not-pulled": lambda: fresh(
        injected(state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}})
    ),
    "port-taken": lambda: fresh(
        injected(
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
            last=ended(PORT_TAKEN),
            restarts=3,
        )
    ),
    "out-of-memory": lambda: facts(
        injected(last={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, restarts=1)
    ),
    "killed-a-moment-ago": lambda: fresh(
        injected(state={"terminated": {"exitCode": 137, "reason": "Error"}})
    ),
    "restarted-for-a-reason": lambda: facts(injected(last=ended(PORT_TAKEN), restarts=2)),
    "out-of-memory-again-and-again": lambda: fresh(
        injected(
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            last={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            restarts=4,
        )
    ),
    "start-gate-failed": lambda: fresh(
        injected(
            state={"waiting": {"reason": "PostStartHookError", "message": "pypi-connector does not listen"}},
            last={"terminated": {"exitCode": 137}},
            restarts=1,
        )
    ),
    "being-deleted": lambda: facts(deleted(injected(state={"terminated": {"exitCode": 0}}))),
}

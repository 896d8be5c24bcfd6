"""Pods that live on: a rotated Secret, rolls, a killed sidecar, deletion."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.scenarios.scenes import (
    Registry,
    basic_auth,
    connector,
    container_status,
    deploy_registry,
    finished_job,
    job,
    new_password,
    pod,
    pod_template,
    sidecar_lines,
    wait_for_phase,
)
from webhook import names

INSTALL = "pip install --quiet --no-cache-dir --target $(mktemp -d) hello-connector"


def exec_in(kube: Kube, namespace: str, name: str, script: str, seconds: float = 60) -> str:
    """Standard output and error of a script in the Pod's container `main`."""
    command = ("exec", name, "-n", namespace, "-c", "main", "--", "sh", "-ec", f"({script}) 2>&1")
    return kube.run(*command, timeout=seconds).stdout


def start(kube: Kube, namespace: str, manifest: dict[str, Any]) -> str:
    kube.create(manifest, namespace=namespace)
    name = str(manifest["metadata"]["name"])
    wait_for_phase(kube, namespace, name, "Running")
    kube.wait_for_condition("pod", name, "Ready", namespace)
    return name


def test_a_rotated_secret_serves_the_next_install_of_a_running_pod(installed: Kube, namespace: str) -> None:
    with installed.namespace(prefix="registry") as place:
        registry = deploy_registry(installed, place)
        installed.create(*connector("team-pypi", registry), namespace=namespace)
        name = start(installed, namespace, pod("worker", "sleep 600", "team-pypi"))
        exec_in(installed, namespace, name, INSTALL)

        rotated = new_password()
        registry.set_password(rotated)
        # in between: the Secret that the broker knows is the old one, and the registry refuses it
        refused = installed.run(
            "exec",
            name,
            "-n",
            namespace,
            "-c",
            "main",
            "--",
            "sh",
            "-c",
            f"{INSTALL} --retries 0",
            check=False,
        )
        assert refused.returncode != 0
        installed.apply(basic_auth("team-pypi", rotated), namespace=namespace)

        # after a refusal the broker is asked for a newer version every 8 s, if clients come so often; and an
        # install takes a second or two
        installed.wait_for(
            lambda: exec_in(installed, namespace, name, INSTALL) is not None,
            seconds=13,
            what="an install with the new password",
        )
        found = installed.get("pod", name, namespace)
        assert container_status(found, names.SIDECAR)["restartCount"] == 0
        lines = sidecar_lines(installed.logs(name, namespace, names.SIDECAR))
        assert lines[-1]["status"] == 200


def test_a_deployment_rolls_and_its_new_pods_install_first(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    script = "pip install --quiet --target site hello-connector; touch site/ready; exec sleep 600"
    template = pod_template(script, "team-pypi", terminationGracePeriodSeconds=2)
    template["metadata"]["labels"] = {"app": "web"}
    template["spec"].pop("restartPolicy")
    template["spec"]["containers"][0]["readinessProbe"] = {
        "exec": {"command": ["test", "-e", "site/ready"]},
        "periodSeconds": 1,
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    installed.create(deployment, namespace=namespace)
    for _ in range(2):
        installed.run("rollout", "status", "deployment/web", "-n", namespace, "--timeout=90s", timeout=100)
        first = {one["metadata"]["name"] for one in installed.list("pods", namespace, selector="app=web")}
        installed.run("rollout", "restart", "deployment/web", "-n", namespace)
    installed.run("rollout", "status", "deployment/web", "-n", namespace, "--timeout=90s", timeout=100)
    ready = [
        one["metadata"]["name"]
        for one in installed.list("pods", namespace, selector="app=web")
        if not one["metadata"].get("deletionTimestamp")
    ]
    assert len(ready) == 2
    assert not first & set(ready)


def test_a_cron_job_installs_each_time(installed: Kube, namespace: str, registry: Registry) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    template = job("unused", INSTALL, "team-pypi")["spec"]
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": template}},
    }
    installed.create(cron, namespace=namespace)
    made = installed.wait_for(
        lambda: installed.list("jobs", namespace), seconds=90, what="the minute to begin"
    )
    outcome = finished_job(installed, namespace, made[0]["metadata"]["name"])
    assert outcome.succeeded, outcome.log


def test_a_killed_sidecar_is_started_again_and_the_work_goes_on(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    name = start(installed, namespace, pod("worker", "sleep 600", "team-pypi"))
    exec_in(installed, namespace, name, INSTALL)
    kill_sidecar(installed.get("pod", name, namespace)["metadata"]["uid"])
    exec_in(installed, namespace, name, INSTALL)  # pip repeats what is refused meanwhile, by itself
    found = installed.wait_for(
        lambda: _restarted(installed, namespace, name), what="the sidecar to be started again"
    )
    assert container_status(found, "main")["restartCount"] == 0


def _restarted(kube: Kube, namespace: str, name: str) -> dict[str, Any] | None:
    found = kube.get("pod", name, namespace)
    status = container_status(found, names.SIDECAR)
    return found if status["restartCount"] == 1 and "running" in status["state"] else None


def kill_sidecar(pod_uid: str) -> None:
    """SIGKILL, as the kernel does when memory is short. Its process is seen from outside of the node only."""
    mine = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if _read(folder / "cmdline") == "python3\0-I\0-m\0sidecar\0" and pod_uid in _read(folder / "cgroup")
    ]
    if not mine:
        clusters.unavailable("the node's processes cannot be seen from here: `make e2e` makes one that can")
    assert len(mine) == 1
    os.kill(mine[0], signal.SIGKILL)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


@pytest.mark.parametrize("image_user", [None, 12345])
def test_of_a_deleted_pod_the_sidecar_ends_last_and_well(
    installed: Kube, namespace: str, registry: Registry, image_user: int | None
) -> None:
    """The workload still installs while it ends; what it saw stands in its termination message."""
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    script = f"""
        trap 'sleep 1; {INSTALL} && echo installed > /dev/termination-log; exit 0' TERM
        touch /work/armed; while true; do sleep 0.2; done
    """
    security = {} if image_user is None else {"securityContext": {"runAsUser": image_user}}
    manifest = pod("worker", script, "team-pypi", **security)
    # keeps the object, with its last status, for us to read
    manifest["metadata"]["finalizers"] = ["example.com/read-me"]
    name = start(installed, namespace, manifest)
    exec_in(installed, namespace, name, "until test -e /work/armed; do sleep 0.1; done")
    try:
        began = time.monotonic()
        installed.run("delete", "pod", name, "-n", namespace, "--wait=false")
        found = installed.wait_for(lambda: _ended(installed, namespace, name), what="both containers to end")
        assert time.monotonic() - began < 25, "below the 30 s after which the kubelet kills"
    finally:
        installed.patch("pod", name, {"metadata": {"finalizers": []}}, namespace)
    main = container_status(found, "main")["state"]["terminated"]
    sidecar = container_status(found, names.SIDECAR)["state"]["terminated"]
    assert (main["exitCode"], main.get("message", "").strip()) == (0, "installed")
    assert sidecar["exitCode"] == 0
    assert sidecar["finishedAt"] >= main["finishedAt"]


def _ended(kube: Kube, namespace: str, name: str) -> dict[str, Any] | None:
    found = kube.get("pod", name, namespace)
    states = [container_status(found, one)["state"] for one in ("main", names.SIDECAR)]
    return found if all("terminated" in one for one in states) else None

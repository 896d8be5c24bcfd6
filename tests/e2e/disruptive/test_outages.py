"""Outages of the broker, the webhook and the API server, and the recovery."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

import pytest

from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.scenarios import product
from support.scenarios.scenes import (
    Outcome,
    Registry,
    connector,
    finished_job,
    job,
    pod,
    run_job,
    sidecar_lines,
    wait_for_phase,
)
from webhook import names

OUTAGE_SECONDS = 60.0
INSTALL = "pip install --quiet --no-cache-dir --target $(mktemp -d)"


@dataclass(frozen=True, slots=True)
class Outage:
    """What was seen of a minute without a broker."""

    seconds: float
    served: Outcome
    """Of the Job that had its grant before; it ended while the broker was away"""
    waiting: Outcome
    """Of the Job that began while it was away"""
    explained: CompletedProcess[str]
    """Of the waiting Job's Pod, while the broker was away"""
    explained_afterwards: CompletedProcess[str]
    events: list[dict[str, Any]]
    """About the waiting Job's Pod"""


@pytest.fixture(scope="module")
def outage(installed: Kube, registry: Registry) -> Iterator[Outage]:
    """One for all tests that ask about it: it takes a minute."""
    with installed.namespace(prefix="team") as namespace:
        installed.create(*connector("team-pypi", registry), namespace=namespace)
        yield live_through(installed, namespace)


def live_through(kube: Kube, namespace: str) -> Outage:
    # In mid-job: it has installed once, and goes on when it is told to.
    script = f"{INSTALL} hello-connector; until test -e /work/go-on; do sleep 0.2; done; "
    script += f"for _ in 1 2 3; do {INSTALL} hello-dependent; done; echo done"
    kube.create(job("served", script, "team-pypi"), namespace=namespace)
    served = pod_of(kube, namespace, "served")
    kube.wait_for(lambda: requests(kube, namespace, served), what="the first install")
    with product.away(kube, names.BROKER):
        began = time.monotonic()
        kube.create(job("waiting", f"{INSTALL} hello-dependent; echo done", "team-pypi"), namespace=namespace)
        kube.run("exec", served, "-n", namespace, "-c", "main", "--", "touch", "/work/go-on")
        outcome = finished_job(kube, namespace, "served")
        waiting = pod_of(kube, namespace, "waiting")
        kube.wait_for(lambda: requests(kube, namespace, waiting), what="the waiting Pod's first request")
        explained = product.explain(kube, namespace, waiting)
        time.sleep(max(0.0, began + OUTAGE_SECONDS - time.monotonic()))
    seconds = time.monotonic() - began
    late = finished_job(kube, namespace, "waiting")
    kube.wait_for(
        lambda: any(one["reason"] == "Granted" for one in kube.events(namespace, waiting)), what="the Event"
    )
    return Outage(
        seconds=seconds,
        served=outcome,
        waiting=late,
        explained=explained,
        explained_afterwards=product.explain(kube, namespace, waiting),
        events=kube.events(namespace, waiting),
    )


def pod_of(kube: Kube, namespace: str, job_name: str) -> str:
    """The name of the Job's Pod, once its main container runs."""

    def running() -> str | None:
        [found] = kube.list("pods", namespace, selector=f"job-name={job_name}")
        return str(found["metadata"]["name"]) if found["status"]["phase"] == "Running" else None

    return kube.wait_for(running, what=f"a Pod of Job {job_name} to run")


def requests(kube: Kube, namespace: str, pod_name: str) -> list[dict[str, Any]]:
    """What the Pod's sidecar has answered so far."""
    lines = sidecar_lines(kube.logs(pod_name, namespace, names.SIDECAR))
    return [one for one in lines if one["message"] == "request"]


def test_a_job_that_has_its_grant_ends_well_without_the_broker(outage: Outage) -> None:
    """Within the soft life of the grant, five minutes, in which the broker is not asked; the hard life, an
    hour, is longer than tests should take: tests/unit/sidecar/grants/test_life.py moves a clock for it."""
    assert outage.served.succeeded, outage.served.log
    assert outage.served.log.endswith("done\n")
    answered = [one for one in sidecar_lines(outage.served.sidecar_log) if one["message"] == "request"]
    assert len(answered) > 4
    # not the 404 of the registry, which has no newer pip
    assert [one for one in answered if one["level"] != "info"] == []


def test_a_job_that_begins_without_the_broker_waits_for_it(outage: Outage) -> None:
    assert outage.seconds >= OUTAGE_SECONDS
    assert outage.waiting.succeeded, outage.waiting.log + outage.waiting.sidecar_log
    assert outage.waiting.log.endswith("done\n")


def test_the_sidecars_log_says_why_there_is_no_grant(outage: Outage) -> None:
    lines = sidecar_lines(outage.waiting.sidecar_log)
    refused = [one for one in lines if one.get("reason") == "broker-unreachable"]
    assert refused
    for one in refused:
        assert one["status"] == 503
        assert one["detail"].startswith(
            f"no grant yet: the broker cannot be reached: cannot connect to https://{names.BROKER}."
        )
    assert [one for one in lines if one["message"] == "request"][-1]["status"] == 200


def test_explain_says_why_there_is_no_grant_and_what_to_do(outage: Outage) -> None:
    assert outage.explained.returncode == 1
    said = outage.explained.stdout
    assert "is not served" in said
    assert "the sidecar had no answer from the broker" in said
    assert f"no replica of the Deployment {names.BROKER} is ready" in said
    afterwards = outage.explained_afterwards
    assert "team-pypi: install and upload" in afterwards.stdout
    assert "the broker cannot be reached" in afterwards.stdout, "that it was so is still said"
    assert afterwards.returncode == 0


def test_the_brokers_return_is_an_event_of_the_pod(outage: Outage) -> None:
    """While the broker is down there is no Event: only the broker may write them, not the sidecar."""
    ours = [one for one in outage.events if one["source"].get("component") == "pypi-connector"]
    assert [one["reason"] for one in ours] == ["Granted"]
    scaled = "Scaled down replica set"
    assert all(scaled not in one["message"] for one in outage.events)


def test_without_the_webhook_annotated_pods_are_refused_and_others_start(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    with product.away(installed, names.ADMISSION):
        sentence = installed.refused(pod("annotated", "true", "team-pypi"), namespace=namespace)
        assert 'failed calling webhook "pods.connectors.alauda.io"' in sentence
        opted_out = pod("opted-out", "true", "team-pypi", annotations={names.INJECT: "false"})
        installed.create(pod("plain", "true", None), opted_out, namespace=namespace)
        for name in ("plain", "opted-out"):
            wait_for_phase(installed, namespace, name, "Succeeded")

        installed.create(job("patient", f"{INSTALL} hello-connector", "team-pypi"), namespace=namespace)
        told = installed.wait_for(lambda: failures_to_create(installed, namespace), what="the Job's Event")
        assert 'failed calling webhook "pods.connectors.alauda.io"' in told[0]["message"]
        explained = product.explain(installed, namespace, "job/patient")
        assert explained.returncode == 1
        assert "Job patient could not create its Pod" in explained.stdout
        assert f"kubectl get pods -n {names.NAMESPACE}" in explained.stdout
    # the controller tries again by itself, at growing intervals
    outcome = finished_job(installed, namespace, "patient")
    assert outcome.succeeded, outcome.log
    assert outcome.pod["metadata"]["labels"][names.INJECTED_LABEL] == "true"


def failures_to_create(kube: Kube, namespace: str) -> list[dict[str, Any]]:
    return [one for one in kube.events(namespace, "patient") if one["reason"] == "FailedCreate"]


def test_after_a_restart_of_the_api_server_everything_goes_on_without_a_restart_of_its_own(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    components = clusters.components()
    manifests = connector("team-pypi", registry)
    right = manifests[-1]["spec"]["address"]
    manifests[-1]["spec"]["address"] = "http://nowhere.invalid"
    installed.create(*manifests, namespace=namespace)
    installed.wait_for_condition("connector", "team-pypi", "Ready=False", namespace)
    before = product.starts(installed)
    assert len(before) == 2 * product.REPLICAS

    components.restart("kube-apiserver", held_seconds=5)
    installed.wait_for(lambda: product.pods(installed, names.BROKER), what="the API server")

    # the keeper: what somebody takes away comes back within its period (a minute and a quarter)
    leaf = installed.get("secret", names.BROKER_TLS_SECRET, names.NAMESPACE)
    installed.delete("secret", names.BROKER_TLS_SECRET, names.NAMESPACE)
    # the controller and the caches: a Connector that changes from now on
    installed.patch("connector", "team-pypi", {"spec": {"address": right}}, namespace)
    installed.wait_for_condition("connector", "team-pypi", "Ready", namespace)
    # admission and broker: a Pod that is new, and served from the new address
    outcome = run_job(
        installed, namespace, job("install", f"{INSTALL} --verbose hello-connector", "team-pypi")
    )
    assert outcome.succeeded, outcome.log
    installed.wait_for(
        lambda: any(one["reason"] == "Granted" for one in installed.events(namespace, outcome.name)),
        what="the Event of the grant",
    )
    renewed = installed.wait_for(
        lambda: installed.find("secret", names.BROKER_TLS_SECRET, names.NAMESPACE),
        seconds=100,
        what="the broker's certificate to be kept again",
    )
    assert renewed["metadata"]["uid"] != leaf["metadata"]["uid"]
    assert product.starts(installed) == before

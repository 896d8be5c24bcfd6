"""Guard 2, ephemeral containers: nobody debugs our container; all others stay open to `kubectl debug`."""

from collections.abc import Mapping
from typing import Any

import pytest

from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, PEOPLE, Act, Attack, add_ephemeral, ephemeral, kubectl, title
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-debug"
LIFTED = ("pypi-connector-token-volume", "pypi-connector-isolation")


def prepare(kube: Kube, namespace: str) -> None:
    served = guards.injected_pod("served", volumes=[{"name": "pip", "csi": CSI}])
    kube.create(guards.injected_pod(), served, guards.plain_pod("stranger"), namespace=namespace)


CSI = {"driver": "connectors-csi", "readOnly": True, "volumeAttributes": {"connector.name": "pypi"}}


def mounting(volume: str, target: str = "pod/victim", **values: Any) -> Act:
    mount = {"name": volume, "mountPath": "/v", **values}
    return add_ephemeral(ephemeral(volumeMounts=[mount]), target=target)


def debug(pod: str, *options: str) -> Act:
    return kubectl("debug", pod, "--image=example.test/debug:1", "--attach=false", *options)


ATTACKS = [
    Attack("kubectl debug", debug("victim", "--target=pypi-connector"), "must not target container"),
    Attack(
        "target beside a harmless one",
        add_ephemeral(
            ephemeral(targetContainerName="app"),
            ephemeral(name="second", targetContainerName="pypi-connector"),
        ),
        "must not target container pypi-connector",
    ),
    Attack("config volume", mounting("pypi-connector-config"), "only with readOnly"),
    Attack("config volume, not read-only", mounting("pypi-connector-config", readOnly=False), "readOnly"),
    Attack("files of the connector", mounting("pip", "pod/served"), "only with readOnly"),
    Attack("volume over the API token", mounting("pypi-connector-empty"), "only with readOnly"),
]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_debugs_our_container(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_the_pods_author_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


def test_it_alone_keeps_the_token_from_ephemeral_containers(kube: Kube) -> None:
    """As the first guard does: each holds without the other."""
    with kube.namespace() as namespace, guards.lifted(kube, ("pypi-connector-token-volume",), namespace):
        prepare(kube, namespace)
        act = mounting("pypi-connector-token", readOnly=True)
        result = guards.until(kube, act, namespace, lambda result: guards.is_refused_by(GUARD, result))
        assert "must not mount volume pypi-connector-token" in result.stderr


HARMLESS: Mapping[str, Act] = {
    "kubectl debug of the workload's container": debug("victim", "--target=app"),
    "kubectl debug of it, restricted": debug("victim", "--target=app", "--profile=restricted"),
    "kubectl debug of it, with the network": debug("victim", "--target=app", "--profile=netadmin"),
    "kubectl debug without a target": debug("victim"),
    "kubectl debug of another Pod": debug("stranger", "--target=app"),
    "kubectl debug of another Pod, as root on everything": debug("stranger", "--profile=sysadmin"),
    "a look at the files of the clients": mounting("pypi-connector-config", readOnly=True),
    "a look at the files of a volume": mounting("pip", "pod/served", readOnly=True),
}


@pytest.mark.parametrize("act", HARMLESS.values(), ids=list(HARMLESS))
def test_other_debugging_stays_possible(kube: Kube, guarded: str, act: Act) -> None:
    result = act(guards.as_person(kube, AUTHOR), guarded)
    assert result.returncode == 0, result.stderr


def test_a_pod_that_was_debugged_before_the_guard_can_be_debugged_again(kube: Kube, unguarded: str) -> None:
    bad = add_ephemeral(ephemeral(targetContainerName="pypi-connector"), dry_run=False)
    kube.wait_for(lambda: bad(kube, unguarded).returncode == 0)
    guards.bind(kube, GUARD, None)
    again = add_ephemeral(ephemeral(name="again", targetContainerName="pypi-connector"))
    kube.wait_for(lambda: guards.is_refused_by(GUARD, again(kube, unguarded)), what="the guard to hold again")
    result = debug("victim", "--target=app")(kube, unguarded)
    assert result.returncode == 0, result.stderr

"""Guard 2, exec and attach: nobody gets into our container, everybody still gets into their own."""

import pytest

from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, PEOPLE, Attack, kubectl, title
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-exec"


def prepare(kube: Kube, namespace: str) -> None:
    pod = guards.injected_pod()
    pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = "pypi-connector"
    kube.create(pod, namespace=namespace)
    two = guards.injected_pod("two")
    two["spec"]["containers"].append({"name": "second", "image": "example.test/second:1"})
    kube.create(two, guards.plain_pod("stranger"), namespace=namespace)


ATTACKS = [
    Attack(
        "exec",
        kubectl("exec", "victim", "-c", "pypi-connector", "--", "id"),
        "exec into container pypi-connector of Pod ",
    ),
    Attack(
        "exec by the default-container annotation", kubectl("exec", "victim", "--", "id"), "choose another"
    ),
    Attack(
        "exec with a terminal",
        kubectl("exec", "-it", "two", "-c", "pypi-connector", "--", "sh"),
        "holds the credential",
    ),
    Attack(
        "attach", kubectl("attach", "victim", "-c", "pypi-connector"), "attach into container pypi-connector"
    ),
    Attack(
        "cp", kubectl("cp", "victim:/proc/1/environ", "/dev/null", "-c", "pypi-connector"), "is not allowed"
    ),
]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_gets_into_our_container(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_the_pods_author_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


@pytest.mark.parametrize(
    "act",
    [
        kubectl("exec", "victim", "-c", "app", "--", "id"),
        kubectl("attach", "victim", "-c", "app"),
        kubectl("exec", "two", "--", "id"),
        kubectl("exec", "two", "-c", "second", "--", "id"),
        kubectl("exec", "stranger", "--", "id"),
        kubectl("attach", "stranger"),
    ],
)
def test_other_containers_stay_open(kube: Kube, guarded: str, act: guards.Act) -> None:
    result = act(guards.as_person(kube, AUTHOR), guarded)
    assert "does not have a host assigned" in result.stderr
    guards.assert_passes(result)

"""Guard 3: tokens for our audience come from the kubelet alone; all others from users who may mint them."""

from collections.abc import Iterator

import pytest

from support.kubernetes import guards
from support.kubernetes.guards import AUTHOR, PEOPLE, Attack, title
from support.kubernetes.kube import Kube

GUARD = "pypi-connector-token-request"
AUDIENCE = "--audience=pypi-connector"


def prepare(kube: Kube, namespace: str) -> None:
    pod = guards.injected_pod()
    pod["spec"]["nodeName"] = "guards-node"
    kube.create(pod, guards.plain_pod("stranger"), namespace=namespace)


def token(*options: str, bound: bool = False) -> guards.Act:
    def act(kube: Kube, namespace: str) -> guards.Result:
        further = ["--bound-object-kind=Pod", "--bound-object-name=victim"] if bound else []
        return kube.run("-n", namespace, "create", "token", "default", *options, *further, check=False)

    return act


WORDS = "a token for audience pypi-connector is issued to a kubelet for a Pod only, not to "
ATTACKS = [
    Attack("unbound", token(AUDIENCE), WORDS),
    Attack("bound to an injected Pod", token(AUDIENCE, bound=True), WORDS),
    Attack("among other audiences", token("--audience=vault", AUDIENCE, bound=True), WORDS),
]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_nobody_mints_our_token(kube: Kube, guarded: str, who: str, attack: Attack) -> None:
    guards.assert_refused(GUARD, attack, guards.as_person(kube, who), guarded)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_without_the_guard_the_pods_author_would(kube: Kube, unguarded: str, attack: Attack) -> None:
    guards.assert_succeeds_unguarded(GUARD, attack, guards.as_person(kube, AUTHOR), unguarded)


@pytest.fixture(scope="module")
def node(kube: Kube) -> Iterator[None]:
    kube.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "guards-node"}})
    yield
    kube.delete("node", "guards-node")


def test_the_kubelet_gets_a_token_for_its_pod(kube: Kube, guarded: str, node: None) -> None:
    uid = kube.get("pod", "victim", guarded)["metadata"]["uid"]
    act = token(AUDIENCE, f"--bound-object-uid={uid}", bound=True)
    # the node authorizer has to learn of the Pod first
    minted = guards.until(guards.as_kubelet(kube), act, guarded, lambda result: result.returncode == 0)
    assert minted.stdout.count(".") == 2


def test_the_kubelet_gets_no_token_without_a_pod(kube: Kube, guarded: str, node: None) -> None:
    """NodeRestriction refuses it as well; ours would where that is not switched on."""
    result = token(AUDIENCE)(guards.as_kubelet(kube), guarded)
    assert result.returncode != 0


@pytest.mark.parametrize(
    "act",
    [
        token(),
        token("--audience=vault"),
        token(bound=True),
        token("--audience=pypi-connector-of-another"),
        token("--audience=pypi-connector-gateway"),
        token("--audience=pypi-connector-gateway", bound=True),
    ],
)
def test_other_tokens_are_minted_as_ever(kube: Kube, guarded: str, act: guards.Act) -> None:
    result = act(guards.as_person(kube, AUTHOR), guarded)
    assert result.returncode == 0, result.stderr

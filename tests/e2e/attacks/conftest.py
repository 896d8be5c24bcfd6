"""The scene of the attacks: a running victim, the same for all of them."""

from collections.abc import Iterator

import pytest

from certs.authority import KeyPair
from support.kubernetes.kube import Kube
from support.scenarios import attacks, scenes
from support.scenarios.attacks import Scene
from support.scenarios.scenes import Registry
from webhook import names

BASELINE = {"pod-security.kubernetes.io/enforce": "baseline"}


@pytest.fixture(scope="session")
def scene(installed: Kube, authority: KeyPair, registry: Registry) -> Iterator[Scene]:
    with (
        installed.namespace(prefix="attacked-registry") as place,
        installed.namespace(labels=BASELINE, prefix="attacked") as namespace,
    ):
        private = scenes.deploy_registry(installed, place, authority=authority)
        installed.create(
            attacks.RIGHTS,
            *scenes.connector(attacks.CONNECTOR, private),
            *scenes.connector(attacks.PLAIN, registry),
            namespace=namespace,
        )
        found = Scene(installed, namespace, private, registry)
        found.author.create(attacks.victim(), namespace=namespace)
        installed.wait_for(lambda: _has_downloaded(found), what="the victim to use its connector")
        yield found


def _has_downloaded(scene: Scene) -> bool:
    return "Saved" in scene.kube.logs(attacks.VICTIM, scene.namespace, "main")


@pytest.fixture(scope="session")
def guarded(scene: Scene) -> Scene:
    """Once the API server knows the kind that guard 7 asks for; on a new cluster that takes half a minute."""
    reference = {"secretRef": {"name": attacks.CONNECTOR}}
    thief = attacks.edited(attacks.idle_pod("probe"), {"envFrom": [reference]})

    def holds() -> bool:
        arguments = ("create", "-n", scene.namespace, "--dry-run=server", "-f", "-")
        return scene.kube.run(*arguments, stdin=attacks.text(thief), check=False).returncode != 0

    scene.kube.wait_for(holds, what=f"guard 7 to hold in {names.CONNECTOR}'s namespace")
    return scene

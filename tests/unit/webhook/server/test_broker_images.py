"""The broker over HTTP in a rollout: it looks for an image that its settings do not name, and then judges."""

from collections.abc import Sequence

import pytest

from support.components.broker_requests import ask, cluster, connector, injected, login, problem
from webhook import names
from webhook.demo.memory_cluster import MemoryCluster
from webhook.errors import ClusterUnavailable, Forbidden

NEWER = "registry.example/sidecar:2"


def injected_by_another(image: str = NEWER) -> dict[str, object]:
    pod = injected()
    [ours] = [container for container in pod["spec"]["initContainers"] if container["name"] == names.SIDECAR]
    ours["image"] = image
    return pod


def test_an_image_of_another_replica_gets_a_grant() -> None:
    memory_cluster = cluster(pod=injected_by_another())
    memory_cluster.images = ("registry.example/sidecar:0", NEWER)
    assert ask(memory_cluster).status_code == 200


def test_an_image_of_no_replica_is_refused_with_the_way_out() -> None:
    memory_cluster = cluster(pod=injected_by_another())
    memory_cluster.images = ("registry.example/sidecar:0",)
    response = ask(memory_cluster)
    assert problem(response) == (403, "SidecarImage")
    sentence = response.json()["detail"]
    assert NEWER in sentence
    assert "create the Pod anew" in sentence
    assert "WEBHOOK_ALLOWED_IMAGES" in sentence


def test_a_known_image_excuses_no_other_violation() -> None:
    pod = injected_by_another()
    pod["spec"]["initContainers"][0]["args"] = ["x"]  # type: ignore[index]
    memory_cluster = cluster(pod=pod)
    memory_cluster.images = (NEWER,)
    assert problem(ask(memory_cluster)) == (403, "SidecarArguments")


class Silent(MemoryCluster):
    """Cannot list the images."""

    failure: Exception = ClusterUnavailable("no answer")

    async def sidecar_images(self) -> Sequence[str]:
        raise self.failure


@pytest.mark.parametrize("failure", [ClusterUnavailable("no answer"), Forbidden("no right")])
def test_where_the_images_are_unknown_the_pod_asks_again(failure: Exception) -> None:
    """A refusal would end the grant that a running Pod holds."""
    memory_cluster = Silent([injected_by_another(), connector(), login()])
    memory_cluster.failure = failure
    assert problem(ask(memory_cluster))[0] == 503


def test_a_known_image_needs_no_look() -> None:
    assert ask(Silent([injected(), connector(), login()])).status_code == 200

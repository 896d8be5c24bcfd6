"""A Pod as a plain dict: the ways to its containers and ports."""

from webhook.pod.shape import declared_ports, workload_containers


def test_only_the_pods_own_containers_declare_ports() -> None:
    pod = {
        "spec": {
            "initContainers": [
                {"name": "pypi-connector", "ports": [{"containerPort": 1}]},
                {"name": "a", "ports": [{"containerPort": 2, "protocol": "TCP"}]},
            ],
            "containers": [
                {"name": "b", "ports": [{"containerPort": 3, "protocol": "UDP"}, {}]},
                {"name": "c"},
            ],
        }
    }
    assert declared_ports(pod) == {2}
    assert [container["name"] for container in workload_containers(pod)] == ["a", "b", "c"]

"""The component of the gateway as files: confined, without rights, and consistent in itself."""

from support.kubernetes.manifests import ALL, container, find
from webhook import names


def test_the_gateway_has_no_right_and_no_token_for_the_api_server() -> None:
    pod = find("Deployment", names.GATEWAY)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    bound = [one for one in ALL if one["kind"].endswith("RoleBinding")]
    assert [one for one in bound if names.GATEWAY in str(one["subjects"])] == []


def test_the_gateway_is_confined_like_the_others() -> None:
    manifest = find("Deployment", names.GATEWAY)
    broker = container(find("Deployment", names.BROKER))
    assert container(manifest)["securityContext"] == broker["securityContext"]
    pod = manifest["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


def test_all_that_selects_the_gateway_selects_the_same() -> None:
    spec = find("Deployment", names.GATEWAY)["spec"]
    selectors = [
        {"matchLabels": find("Service", names.GATEWAY)["spec"]["selector"]},
        find("PodDisruptionBudget", names.GATEWAY)["spec"]["selector"],
        find("NetworkPolicy", names.GATEWAY)["spec"]["podSelector"],
    ]
    assert all(one == spec["selector"] for one in selectors)
    scaler = find("HorizontalPodAutoscaler", names.GATEWAY)["spec"]
    assert (scaler["scaleTargetRef"]["name"], scaler["minReplicas"]) == (names.GATEWAY, 2)
    assert "replicas" not in spec  # an apply would undo what the autoscaler has chosen


def test_the_ports_of_the_gateway_are_open_and_no_others() -> None:
    manifest = find("Deployment", names.GATEWAY)
    ports = {one["name"]: one["containerPort"] for one in container(manifest)["ports"]}
    (hole,) = find("NetworkPolicy", names.GATEWAY)["spec"]["ingress"]
    assert {one["port"] for one in hole["ports"]} == set(ports.values())
    served = {one["port"]: one["targetPort"] for one in find("Service", names.GATEWAY)["spec"]["ports"]}
    assert served == {80: "http", 443: "https"}


def test_the_gateway_ends_its_downloads_before_it_is_killed() -> None:
    pod = find("Deployment", names.GATEWAY)["spec"]["template"]["spec"]
    variables = {one["name"]: one.get("value") for one in container(find("Deployment", names.GATEWAY))["env"]}
    assert int(variables["GATEWAY_DRAIN_SECONDS"]) + 10 < pod["terminationGracePeriodSeconds"]

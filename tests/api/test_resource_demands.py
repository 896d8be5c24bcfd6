"""A Pod that the API server takes without a connector is taken with one, or admission says why.

Made-up Pods, LimitRanges and quotas, each Pod sent twice (`dryRun`): as it is, and with the annotation. Many
Pods are not taken even without a connector, and prove nothing.
"""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.components.admissions import CONNECTOR, Process, pod, registered_admission
from support.kubernetes.kube import Kube
from support.pods.made_up_demands import HARD, WORLDS
from webhook import names
from webhook.pod.quantities import parse_quantity

Json = dict[str, Any]
Send = Callable[[str, str, Json], httpx.Response]
"""Namespace, kind in the plural, object; a Pod is only tried (`dryRun`)"""


@pytest.fixture(scope="module")
def admission(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with registered_admission(kube, tmp_path_factory.mktemp("admission")) as process:
        yield process


@pytest.fixture(scope="module")
def send(kube: Kube, admission: Process) -> Iterator[Send]:
    """Through `kubectl proxy`: a hundred times faster than a kubectl for each."""
    with subprocess.Popen(kube.command("proxy", "--port=0"), stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        address = proxy.stdout.readline().split()[-1]
        with httpx.Client(base_url=f"http://{address}/api/v1", trust_env=False, timeout=30) as client:

            def post(namespace: str, kind: str, manifest: Json) -> httpx.Response:
                query = {"dryRun": "All"} if kind == "pods" else {}
                answer = client.post(f"/namespaces/{namespace}/{kind}", json=manifest, params=query)
                if kind == "resourcequotas":  # the quota controller's part: an API server alone has none
                    hard = manifest["spec"]["hard"]
                    status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
                    path = f"/namespaces/{namespace}/{kind}/{manifest['metadata']['name']}/status"
                    client.put(path, json={**answer.json(), **status}).raise_for_status()
                return answer

            yield post
        proxy.terminate()


def limit_range(name: str, *items: Mapping[str, Any]) -> Json:
    return {"metadata": {"name": name}, "spec": {"limits": list(items)}}


def quota(hard: Mapping[str, str]) -> Json:
    return {"metadata": {"name": "quota"}, "spec": {"hard": dict(hard)}}


def annotated(spec: Json, wished: Mapping[str, str] | None = None) -> Json:
    return pod("tried", {names.CONNECTOR: "team-pypi", **(wished or {})}, **spec)


def sidecar(answer: httpx.Response) -> Json:
    container: Json = answer.json()["spec"]["initContainers"][0]
    assert container["name"] == names.SIDECAR
    return container


def wait_until_seen(kube: Kube, send: Send) -> None:
    """By the API server's plugins and by admission: watches bring the objects of a kind in order."""
    with kube.namespace() as namespace:
        kube.create(CONNECTOR, namespace=namespace)
        send(namespace, "limitranges", limit_range("mark", {"type": "Container", "min": {"cpu": "3"}}))
        send(namespace, "resourcequotas", quota({"limits.cpu": "100"}))
        resources = {"limits": {"cpu": "4"}}
        large = {"containers": [{"name": "app", "image": "x", "resources": resources}]}
        small = {"containers": [{"name": "app", "image": "x", "resources": {"requests": {"cpu": "1"}}}]}
        without = {"containers": [{"name": "app", "image": "x"}]}

        def is_seen() -> bool:
            by_plugin = send(namespace, "pods", pod("plain", {}, **small)).text
            by_quota = send(namespace, "pods", pod("plain", {}, **without)).text
            amounts = sidecar(send(namespace, "pods", annotated(large)))["resources"]
            return (
                "minimum cpu usage" in by_plugin
                and "must specify" in by_quota
                and amounts["requests"]["cpu"] == "3"
                and "cpu" in amounts["limits"]
            )

        kube.wait_for(is_seen, what="LimitRanges and quotas to be seen")


TALLY: Counter[str] = Counter()
FAULTS: list[Json] = []


@settings(
    max_examples=6,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(st.lists(WORLDS, min_size=10, max_size=10))
def try_worlds(kube: Kube, send: Send, worlds: list[Json]) -> None:
    places = []
    contexts = [kube.namespace() for _ in worlds]
    try:
        for context, world in zip(contexts, worlds, strict=True):
            namespace = context.__enter__()
            places.append((namespace, world))
            kube.create(CONNECTOR, namespace=namespace)
            for number, items in enumerate(world["limit ranges"]):
                made = send(namespace, "limitranges", limit_range(f"bounds-{number}", *items))
                TALLY[f"LimitRange, {made.status_code}"] += 1
            send(namespace, "resourcequotas", quota(world["quota"]))
        wait_until_seen(kube, send)
        for namespace, world in places:
            for spec, wished in world["pods"]:
                check(send, namespace, world, spec, wished)
    finally:
        for context, _ in zip(contexts, places, strict=False):
            context.__exit__(None, None, None)


def check(send: Send, namespace: str, world: Json, spec: Json, wished: dict[str, str]) -> None:
    plain = send(namespace, "pods", pod("tried", {}, **spec))
    if plain.status_code != 201:
        TALLY["not taken"] += 1
        return
    asking = send(namespace, "pods", annotated(spec, wished))
    if asking.status_code != 201 and not is_always_taken(send, namespace, spec):
        TALLY["taken at times"] += 1
        return
    TALLY[f"taken, {asking.status_code}{', wished' if wished else ''}"] += 1
    faults = list(
        refusal_faults(asking) if asking.status_code != 201 else changes(world, spec, plain, asking, wished)
    )
    if faults:
        said = asking.json().get("message") or sidecar(asking)["resources"]
        FAULTS.append({"faults": faults, "said": said, "world": world | {"pods": 0}, "spec": spec, **wished})


def is_always_taken(send: Send, namespace: str, spec: Json) -> bool:
    """Of two LimitRanges with different defaults, any may come first: their order is not defined."""
    return all(send(namespace, "pods", pod("tried", {}, **spec)).status_code == 201 for _ in range(8))


def refusal_faults(asking: httpx.Response) -> Iterator[str]:
    message, warnings = asking.json()["message"], asking.headers.get("warning", "")
    if "exceeded quota" in message:
        TALLY["exceeded quota"] += 1
        if "ResourceQuota quota leaves " not in warnings:
            yield "no warning says that the quota would do without the sidecar"
    elif "pods.connectors.alauda.io" not in message:
        yield "the API server refuses it, and nobody learns that it is for the sidecar"
    elif not any(who in message for who in ("LimitRange bounds-", "spec.resources", "annotation ")):
        yield "the sentence does not name who demands what"


def changes(
    world: Json, spec: Json, plain: httpx.Response, asking: httpx.Response, wished: Mapping[str, str]
) -> Iterator[str]:
    before, after = plain.json(), asking.json()
    classes = before["status"]["qosClass"], after["status"]["qosClass"]
    is_inevitable = classes == ("BestEffort", "Burstable")  # the sidecar requests something
    is_wished = bool(wished) and classes == ("Guaranteed", "Burstable")
    if classes[0] != classes[1] and not is_inevitable and not is_wished:
        yield f"the class {classes[0]} becomes {classes[1]}"
    if not wished and own_amounts(before, spec, world) != own_amounts(after, spec, world):
        yield "the Pod's own amounts change"
    limit = sidecar(asking)["resources"].get("limits", {}).get("memory", "0")
    if not wished and limit != "0" and (parse_quantity(limit) or 0) < (parse_quantity("48Mi") or 0):
        yield "the sidecar cannot live"


def own_amounts(pod: Json, spec: Json, world: Json) -> Json:
    """Of the Pod itself, as completed by the API server, for each resource that its author names.

    Without those of which each container must request some: they are sums.
    """
    items = [item for items in world["limit ranges"] for item in items if item["type"] == "Container"]
    demanded = {
        name for item in items for field in ("min", "maxLimitRequestRatio") for name in item.get(field, {})
    }
    own, sent = pod["spec"].get("resources") or {}, spec.get("resources") or {}
    named = {name for amounts in sent.values() for name in amounts} - demanded
    return {
        kind: {name: parse_quantity(text) for name, text in amounts.items() if name in named}
        for kind, amounts in own.items()
    }


def test_a_pod_that_is_taken_without_a_connector_is_taken_with_one_or_we_say_why(
    kube: Kube, send: Send
) -> None:
    try_worlds(kube, send)
    assert FAULTS == []
    assert TALLY["taken, 201"] > 50, TALLY  # else it proves little


def try_until_seen(kube: Kube, send: Send, namespace: str, spec: Json, **wished: str) -> httpx.Response:
    wait_until_seen(kube, send)
    return send(
        namespace, "pods", annotated(spec, {f"{names.GROUP}/{key}": text for key, text in wished.items()})
    )


def app(**resources: Any) -> Json:
    return {"containers": [{"name": "app", "image": "x", "resources": resources}]}


def test_a_quota_of_limits_is_met(kube: Kube, send: Send, namespace: str) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    send(namespace, "resourcequotas", quota(HARD))
    limits = {"cpu": "1", "memory": "1Gi"}
    found = sidecar(try_until_seen(kube, send, namespace, app(limits=limits, requests={"cpu": "100m"})))
    # no ephemeral-storage: no quota demands it of a container
    assert found["resources"]["limits"] == {"cpu": "500m", "memory": "128Mi"}


def test_a_pod_with_resources_of_its_own_keeps_them(kube: Kube, send: Send, namespace: str) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    own = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "96Mi"}}
    spec = {**app(requests=own["requests"]), "resources": own}
    answer = send(namespace, "pods", annotated(spec))
    assert answer.json()["spec"]["resources"] == own
    assert sidecar(answer)["resources"]["requests"] == {"cpu": "0", "memory": "0"}


def test_a_limit_range_that_the_sidecar_does_not_fit_is_named(kube: Kube, send: Send, namespace: str) -> None:
    kube.create(CONNECTOR, namespace=namespace)
    send(namespace, "limitranges", limit_range("bounds", {"type": "Container", "max": {"memory": "32Mi"}}))
    refused = try_until_seen(kube, send, namespace, app())
    assert "LimitRange bounds allows each container at most 32Mi" in refused.json()["message"]
    assert names.MEMORY_LIMIT in refused.json()["message"]
    wished = try_until_seen(kube, send, namespace, app(), **{"sidecar-memory-limit": "32Mi"})
    assert sidecar(wished)["resources"]["limits"]["memory"] == "32Mi"


def test_an_injected_pod_is_resized_in_place(kube: Kube, send: Send, namespace: str) -> None:
    """The class may not change, nor may the sums outgrow the Pod."""
    kube.create(CONNECTOR, namespace=namespace)
    larger, wait = {"cpu": "2", "memory": "2Gi"}, wait_until_seen
    wait(kube, send)
    guaranteed = app(limits={"cpu": "1", "memory": "1Gi"})
    of_pod = {**app(), "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    for name, spec in {"guaranteed": guaranteed, "of-pod": of_pod}.items():
        kube.create(
            {**annotated(spec), "metadata": {**annotated(spec)["metadata"], "name": name}},
            namespace=namespace,
        )
        assert kube.get("pod", name, namespace)["status"]["qosClass"] == "Guaranteed"
    change = [{"name": "app", "resources": {"limits": larger, "requests": larger}}]
    resized = {"guaranteed": {"containers": change}, "of-pod": {"resources": change[0]["resources"]}}
    for name, spec in resized.items():
        kube.patch("pod", name, {"spec": spec}, namespace, kind_of_patch="strategic", subresource="resize")
        assert kube.get("pod", name, namespace)["status"]["qosClass"] == "Guaranteed"

"""Made-up Pods, with resources, and what their namespaces demand: LimitRanges and quotas."""

from typing import Any

from hypothesis import strategies as st

from webhook import names

Json = dict[str, Any]

AMOUNTS = {
    "cpu": ["0", "1m", "5m", "10m", "50m", "100m", "250m", "500m", "1", "2", "4"],
    "memory": ["0", "8Mi", "16Mi", "32Mi", "40Mi", "48Mi", "64Mi", "100Mi", "128Mi", "256Mi", "1Gi", "1.5Gi"],
    "ephemeral-storage": ["4Mi", "16Mi", "64Mi", "1Gi"],
}
RATIOS = ["1", "1.5", "2", "3", "10"]
HARD = {
    "limits.cpu": "100",
    "limits.memory": "100Gi",
    "requests.cpu": "100",
    "memory": "100Gi",
    "limits.ephemeral-storage": "100Gi",
    "ephemeral-storage": "100Gi",
    "pods": "100",
}
WISHES = {"cpu-request": "cpu", "cpu-limit": "cpu", "memory-request": "memory", "memory-limit": "memory"}


def ascending(resource: str, count: int) -> st.SearchStrategy[list[str]]:
    rising = st.lists(st.sampled_from(range(len(AMOUNTS[resource]))), min_size=count, max_size=count)
    return rising.map(lambda positions: [AMOUNTS[resource][position] for position in sorted(positions)])


@st.composite
def limits(draw: st.DrawFn, kind: str) -> Json:
    """An item of a LimitRange, of which the API server takes most."""
    fields = ["min", "max"] if kind == "Pod" else ["min", "defaultRequest", "default", "max"]
    item: Json = {"type": kind}
    for resource in draw(st.sets(st.sampled_from(sorted(AMOUNTS)), min_size=1)):
        values = dict(zip(fields, draw(ascending(resource, len(fields))), strict=True))
        for field in draw(st.sets(st.sampled_from(fields))):
            if values[field] != "0":
                item.setdefault(field, {})[resource] = values[field]
        if draw(st.integers(0, 3)) == 0:
            item.setdefault("maxLimitRequestRatio", {})[resource] = draw(st.sampled_from(RATIOS))
    return item


@st.composite
def resources(draw: st.DrawFn) -> Json:
    """Of a container: none, requests, limits, or both, also equal."""
    result: Json = {}
    for resource in draw(st.sets(st.sampled_from(sorted(AMOUNTS)))) if draw(st.booleans()) else ():
        request, limit = draw(ascending(resource, 2))
        shape = draw(st.sampled_from(["requests", "limits", "both", "equal"]))
        if shape != "limits":
            result.setdefault("requests", {})[resource] = limit if shape == "equal" else request
        if shape != "requests":
            result.setdefault("limits", {})[resource] = limit
    return result


GUARANTEED = st.tuples(st.sampled_from(AMOUNTS["cpu"][4:]), st.sampled_from(AMOUNTS["memory"][4:])).map(
    lambda amounts: {"limits": {"cpu": amounts[0], "memory": amounts[1]}}
)


@st.composite
def specs(draw: st.DrawFn) -> Json:
    of_all = GUARANTEED if draw(st.booleans()) else resources()
    app = [
        {"name": f"app-{number}", "image": "x", "resources": draw(of_all)}
        for number in range(draw(st.integers(1, 2)))
    ]
    initial = [
        {"name": f"init-{number}", "image": "x", "resources": draw(of_all), **restart}
        for number, restart in enumerate(
            draw(st.lists(st.sampled_from([{}, {"restartPolicy": "Always"}]), max_size=2))
        )
    ]
    spec = {"containers": app, "initContainers": initial}
    if draw(st.integers(0, 2)) == 0:
        spec["resources"] = draw(own_resources())
    return spec


@st.composite
def own_resources(draw: st.DrawFn) -> Json:
    """Of the Pod itself."""
    result: Json = {}
    for resource in draw(st.sets(st.sampled_from(["cpu", "memory"]), min_size=1)):
        request, limit = draw(ascending(resource, 2))
        shape = draw(st.sampled_from(["requests", "limits", "both", "equal"]))
        if shape != "limits":
            result.setdefault("requests", {})[resource] = limit if shape == "equal" else request
        if shape != "requests":
            result.setdefault("limits", {})[resource] = limit
    return result


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, str]:
    chosen = (
        draw(st.sets(st.sampled_from(sorted(WISHES)), max_size=2)) if draw(st.integers(0, 3)) == 0 else ()
    )
    return {
        f"{names.GROUP}/sidecar-{wish}": draw(st.sampled_from(AMOUNTS[WISHES[wish]][1:])) for wish in chosen
    }


def hard(resources: set[str]) -> st.SearchStrategy[Json]:
    """Most quotas have room for all Pods, and some for few."""
    return st.fixed_dictionaries(
        {
            name: st.sampled_from([HARD[name]] * 8 + AMOUNTS.get(name.rpartition(".")[2], []))
            for name in resources
        }
    )


WORLDS = st.fixed_dictionaries(
    {
        "limit ranges": st.lists(
            st.sets(st.sampled_from(["Container", "Pod"]), min_size=1).flatmap(
                lambda kinds: st.tuples(*(limits(kind) for kind in sorted(kinds)))
            ),
            max_size=2,
        ),
        "quota": st.sets(st.sampled_from(sorted(HARD)), max_size=4).flatmap(hard),
        "pods": st.lists(st.tuples(specs(), wishes()), min_size=8, max_size=8),
    }
)

"""A Pod as admission leaves it, ways to alter it, and the violations."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from certs.authority import create_authority
from support.checkout import TESTS
from webhook.connector.manifest import parse_connector
from webhook.grant.isolation import violations
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import decide
from webhook.pod.settings import Settings

SHAPES = TESTS / "shapes"
CA = (SHAPES / "ca.crt").read_text()
IMAGE = "registry.example/pypi-connector-sidecar@sha256:" + "0" * 64
SETTINGS = Settings(sidecar_image=IMAGE, allowed_images=(IMAGE, "mirror/old"), broker_ca=(CA,))

Pod = dict[str, Any]


def injected(**spec: Any) -> Pod:
    """A Pod as admission leaves it today, and as another product's token makes it more usual."""
    pod = {
        "metadata": {
            "name": "job",
            "namespace": "team",
            "annotations": {"connectors.alauda.io/connector": "pypi,shared/internal"},
        },
        "spec": {
            "containers": [{"name": "main", "image": "python"}, {"name": "second", "image": "python"}],
            "initContainers": [{"name": "prepare", "image": "python"}],
            "volumes": [{"name": "theirs", "projected": {"sources": []}}],
            **spec,
        },
    }
    decision = decide(pod, namespace="team", lookup=_connector, settings=SETTINGS)
    assert decision.pod, decision.message
    return decision.pod


def _connector(key: ConnectorKey) -> Any:
    spec = {"connectorClassName": "pypi", "address": "https://registry.example"}
    return parse_connector({"metadata": key._asdict(), "spec": spec})


def ours(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in pod["spec"]["initContainers"] if one["name"] == "pypi-connector"
    )
    return found


def reasons(pod: Pod, settings: Settings = SETTINGS) -> list[str]:
    return [violation.reason for violation in violations(pod, settings=settings)]


# -- ways to alter a Pod


Edit = Callable[[Pod], object]


def field(**values: Any) -> Edit:
    return lambda pod: ours(pod).update(values)


def spec(**values: Any) -> Edit:
    return lambda pod: pod["spec"].update(values)


def variable(name: str, value: Any = "x", **entry: Any) -> Edit:
    def edit(pod: Pod) -> None:
        env = ours(pod)["env"]
        changed = {"name": name, "value": value, **entry}
        if name in [one["name"] for one in env]:
            env[:] = [changed if one["name"] == name else one for one in env]
        else:
            env.append(changed)

    return edit


def added(name: str, value: str) -> Edit:
    return lambda pod: ours(pod)["env"].append({"name": name, "value": value})


def security(**values: Any) -> Edit:
    return lambda pod: ours(pod)["securityContext"].update(values)


def mount(volume: str, path: str, container: str = "pypi-connector", **values: Any) -> Edit:
    def edit(pod: Pod) -> None:
        everyone = [one for kind in ("initContainers", "containers") for one in pod["spec"][kind]]
        target = next(one for one in everyone if one["name"] == container)
        target.setdefault("volumeMounts", []).append({"name": volume, "mountPath": path, **values})

    return edit


def our_mount(volume: str, **values: Any) -> Edit:
    return lambda pod: next(one for one in ours(pod)["volumeMounts"] if one["name"] == volume).update(values)


def volume(name: str, **values: Any) -> Edit:
    def edit(pod: Pod) -> None:
        volumes = pod["spec"]["volumes"]
        volumes[:] = [one for one in volumes if one["name"] != name] + [{"name": name, **values}]

    return edit


def serves_volume(pod: Pod) -> None:
    """As admission does for a CSI volume `files`, which `main` mounts."""
    volume("files", emptyDir={})(pod)
    added("SIDECAR_VOLUMES", '{"files": {"pip.conf": "x"}}')(pod)
    mount("files", "/etc/pypi-connector-volumes/files")(pod)
    mount("files", "/files", "main", readOnly=True)(pod)


def projected(*sources: Mapping[str, Any]) -> dict[str, Any]:
    return {"projected": {"sources": list(sources)}}


def ephemeral(**values: Any) -> Edit:
    return spec(ephemeralContainers=[{"name": "debugger", "image": "busybox", **values}])


OURS = {"serviceAccountToken": {"audience": "pypi-connector", "path": "token"}}
OTHER_CA = create_authority(datetime(2026, 1, 1, tzinfo=UTC)).certificate

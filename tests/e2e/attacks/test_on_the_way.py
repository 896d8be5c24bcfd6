"""Names and proxies that lead to a server of the author, and the data that arrives there."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from certs.authority import create_authority, issue_leaf
from support.scenarios import attacks, scenes
from support.scenarios.attacks import CONNECTOR, PLAIN, Scene, edited, idle_pod
from webhook import names

BROKER = f"{names.BROKER}.{names.NAMESPACE}.svc"
LURE = "lure"


@dataclass(frozen=True, slots=True)
class Lure:
    """A Pod of the author that answers to every name, and prints the data that it received."""

    scene: Scene
    address: str

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.scene.kube.logs(LURE, self.scene.namespace).splitlines()]

    def everything(self) -> str:
        return "\n".join(one["received"] for one in self.received())


@pytest.fixture(scope="module")
def lure(scene: Scene) -> Iterator[Lure]:
    leaf = issue_leaf(create_authority(datetime.now(UTC)), [BROKER, _host(scene)], datetime.now(UTC))
    environment = [
        {"name": "LURE_CERTIFICATE", "value": leaf.certificate},
        {"name": "LURE_KEY", "value": leaf.key},
    ]
    container = {
        "command": attacks.python("lure"),
        "env": environment,
        "securityContext": {"runAsUser": 0},
    }
    scene.author.create(edited(idle_pod(LURE), container), namespace=scene.namespace)
    scene.kube.wait_for(lambda: "ready" in scene.kube.logs(LURE, scene.namespace), what="the lure")
    yield Lure(scene, scene.kube.get("pod", LURE, scene.namespace)["status"]["podIP"])
    scene.kube.delete("pod", LURE, scene.namespace)


def _host(scene: Scene) -> str:
    return scene.registry.address.removeprefix("https://")


READ = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())"


def asking(scene: Scene, name: str, connector: str, **spec: Any) -> scenes.Manifest:
    """A Pod that asks its connector for a page, once, whatever comes of it."""
    page = f"http://127.0.0.1:{scene.ports[connector]}/simple/hello-connector/"
    return scenes.pod(name, f"python3 -c '{READ}' {page} || true", connector, **spec)


@pytest.fixture(scope="module")
def led_astray(scene: Scene, lure: Lure) -> Scene:
    """Pods whose names lead to the lure, each in its way. All at once: a Pod takes seconds."""

    def alias(host: str) -> dict[str, Any]:
        return {"hostAliases": [{"ip": lure.address, "hostnames": [host]}]}

    dns = {"dnsPolicy": "None", "dnsConfig": {"nameservers": [lure.address]}}
    scene.author.create(
        asking(scene, "alias-broker", CONNECTOR, **alias(BROKER)),
        asking(scene, "own-dns", CONNECTOR, **dns),
        asking(scene, "alias-registry", CONNECTOR, **alias(_host(scene))),
        asking(scene, "alias-plain", PLAIN, **alias(scene.plain.address.removeprefix("http://"))),
        namespace=scene.namespace,
    )
    return scene


def causes(scene: Scene, name: str) -> str:
    """What the sidecar of a Pod that has ended says of its requests."""
    scenes.wait_for_phase(scene.kube, scene.namespace, name, "Succeeded")
    lines = scenes.sidecar_lines(scene.kube.logs(name, scene.namespace, names.SIDECAR))
    return "\n".join(str(one["detail"]) for one in lines if "detail" in one)


def test_a_broker_of_the_authors_gets_no_token(led_astray: Scene, lure: Lure) -> None:
    said = causes(led_astray, "alias-broker")
    assert "the broker's certificate is of an authority that this Pod was not given" in said
    assert "something else answers in its place" in said
    _nothing_arrived(lure)


def test_names_of_the_authors_dns_lead_to_no_token(led_astray: Scene, lure: Lure) -> None:
    said = causes(led_astray, "own-dns")
    assert "the broker's certificate is of an authority that this Pod was not given" in said
    assert "something else answers in its place" in said
    _nothing_arrived(lure)


def test_a_registry_of_the_authors_gets_no_credential_over_https(led_astray: Scene, lure: Lure) -> None:
    said = causes(led_astray, "alias-registry")
    assert "broker" not in said
    assert "certificate verify failed" in said
    _nothing_arrived(lure)


def test_over_plain_http_the_author_gets_it(led_astray: Scene, lure: Lure) -> None:
    """What `allowInsecureHTTP` gives up, as docs/threat-model.md says."""
    causes(led_astray, "alias-plain")
    pair = f"{scenes.USERNAME}:{led_astray.plain.password}"
    assert f"Basic {base64.b64encode(pair.encode()).decode()}" in lure.everything()


def test_a_proxy_of_the_authors_is_asked_by_nobody(scene: Scene, lure: Lure) -> None:
    """Neither by variables on the sidecar, which admission removes, nor by variables of other containers."""
    proxies = [
        {"name": name, "value": f"http://{lure.address}:3128"} for name in ("HTTPS_PROXY", "http_proxy")
    ]
    pod = idle_pod("own-proxy", CONNECTOR, script="pip download -d /tmp hello-connector; exec sleep 3600")
    forged = attacks.forged_sidecar(["x"], env=proxies)
    pod = edited(pod, {"env": proxies}, initContainers=[forged], volumes=attacks.forged_volumes())
    scene.author.create(pod, namespace=scene.namespace)
    scene.kube.wait_for(lambda: "Saved" in scene.kube.logs("own-proxy", scene.namespace, "main"))
    assert [one for one in lure.received() if one["port"] == 3128] == []


def test_on_the_pods_own_wire_plain_http_can_be_read_and_https_cannot(scene: Scene) -> None:
    """As root, with the capabilities that a container has by default."""
    texts = [*attacks.spellings(scene.registry), *attacks.spellings(scene.plain)]
    ports = [str(scene.ports[one]) for one in (CONNECTOR, PLAIN)]
    seen = scene.run("sniff", *ports, container=attacks.ROOT, stdin=texts)
    read = {texts[number] for number in seen}
    assert not read & set(attacks.spellings(scene.registry))
    assert attacks.spellings(scene.plain)[-1] in read


def test_plain_http_with_a_credential_must_be_asked_for(scene: Scene) -> None:
    """The refusal and its reason: nobody gets there by accident."""
    spec = {
        "connectorClassName": names.CONNECTOR_CLASS,
        "address": scene.plain.address,
        "auth": {"name": names.AUTH_NAME, "secretRef": {"name": PLAIN}},
    }
    connector = {
        "apiVersion": names.API_VERSION,
        "kind": "Connector",
        "metadata": {"name": "careless"},
        "spec": spec,
    }
    assert "allowInsecureHTTP" in scene.kube.refused(connector, namespace=scene.namespace)


def _nothing_arrived(lure: Lure) -> None:
    """Connections did; they ended before anything was sent."""
    tls = [one for one in lure.received() if one["port"] == 443]
    assert tls
    assert all(one["received"] == "" and "failed" in one for one in tls), tls

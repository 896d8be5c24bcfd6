"""Removed and installed again: the Pods from before that can verify the real broker, and get grants.

An API server of this module's own: the product's namespace is deleted here.
"""

import base64
import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import BrokerUntrusted
from sidecar.grants.broker import BrokerClient
from support.checkout import MANIFESTS, ROOT
from support.components.brokers import kubeconfig_of
from support.kubernetes import clusters
from support.kubernetes.kube import Kube
from support.machine.environments import clean
from support.machine.ports import free_port
from webhook import names
from webhook.grant.sidecar_images import KEY

OVERLAY = MANIFESTS / "overlays" / "default"
HOST = f"{names.BROKER}.{names.NAMESPACE}.svc"
REMOVAL_SECONDS = 400.0
"""6 s; where the machine is busy the namespace's controller fails and backs off, up to a minute each"""


@pytest.fixture(scope="module")
def kube() -> Iterator[Kube]:
    with clusters.api_server() as alone:
        yield alone


@pytest.fixture
def installed(kube: Kube) -> Iterator[Kube]:
    kube.run("apply", "-k", str(OVERLAY))
    yield kube
    kube.run("delete", "-k", str(OVERLAY), "--ignore-not-found", timeout=REMOVAL_SECONDS)


@contextlib.contextmanager
def broker(kube: Kube, folder: Path, image: str) -> Iterator[int]:
    """The process, as its container starts it; its port, once it serves."""
    port = free_port()
    environment = clean(
        KUBECONFIG=str(kubeconfig_of(kube, folder, names.NAMESPACE, names.BROKER)),
        WEBHOOK_SIDECAR_IMAGE=image,
        WEBHOOK_PORT=str(port),
        WEBHOOK_TLS_DIR=str(folder / "tls"),
    )
    command = [sys.executable, "-m", "webhook", "broker"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            kube.wait_for(lambda: is_listening(port), what="the broker")
            kube.wait_for(lambda: bundle(kube), what="caBundle")
            kube.wait_for(lambda: image in recorded(kube), what="the record of images")
            yield port
        finally:
            process.terminate()
            process.wait(60)


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def bundle(kube: Kube) -> str:
    """What a Pod of this moment is given to verify the broker with."""
    found = kube.get("mutatingwebhookconfiguration", names.WEBHOOK_CONFIGURATION)
    return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", "")).decode()


def recorded(kube: Kube) -> str:
    return str(kube.get("configmap", names.SIDECAR_IMAGES, names.NAMESPACE)["data"][KEY])


def trusts(given: str, port: int) -> bool:
    """Whether a sidecar with this bundle would send its token there."""
    context = ssl.create_default_context(cadata=given)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        try:
            context.wrap_socket(plain, server_hostname=HOST).close()
        except ssl.SSLCertVerificationError:
            return False
    return True


def remove(kube: Kube) -> None:
    kube.run("delete", "-k", str(OVERLAY), timeout=REMOVAL_SECONDS)


def commands_of_the_page() -> list[list[str]]:
    page = (ROOT / "docs" / "install.md").read_text().partition("\n## Installing it again\n")[2]
    block = re.search(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert block
    return [line.split() for line in block[1].splitlines()]


def test_a_new_installation_is_not_trusted_by_a_pod_from_before(installed: Kube, tmp_path: Path) -> None:
    """The control: why there is something to bring back."""
    with broker(installed, tmp_path, "sidecar:1") as port:
        before = bundle(installed)
        assert trusts(before, port)
    remove(installed)
    installed.run("apply", "-k", str(OVERLAY))
    with broker(installed, tmp_path, "sidecar:2") as port:
        assert trusts(bundle(installed), port)
        assert not trusts(before, port)
        assert "sidecar:1" not in recorded(installed)
        token = tmp_path / "token"
        token.write_text("a.b.c")
        with pytest.raises(BrokerUntrusted, match="installed anew since this Pod began"):
            BrokerClient(f"https://127.0.0.1:{port}", before, token, "team/pypi").fetch(None)


def test_with_the_commands_of_the_page_pods_from_before_are_served_again(
    installed: Kube, tmp_path: Path
) -> None:
    with broker(installed, tmp_path, "sidecar:1"):
        before = bundle(installed)
    kept = tmp_path / "kept.yaml"
    commands = commands_of_the_page()
    assert [one[0] for one in commands] == ["kubectl"] * 5
    for _, *arguments in commands:
        shell = [
            str(kept) if one == "kept.yaml" else one.replace("manifests/", f"{ROOT}/manifests/")
            for one in arguments
        ]
        if ">" in shell:
            kept.write_text(installed.run(*shell[: shell.index(">")]).stdout)
        else:
            installed.run(*shell, timeout=REMOVAL_SECONDS)
    with broker(installed, tmp_path, "sidecar:2") as port:
        assert trusts(before, port)
        assert bundle(installed) == before
        assert {line.split()[1] for line in recorded(installed).splitlines()} == {"sidecar:1", "sidecar:2"}


def test_where_the_namespace_stayed_pods_from_before_are_served_again(
    installed: Kube, tmp_path: Path
) -> None:
    with broker(installed, tmp_path, "sidecar:1"):
        before = bundle(installed)
    objects = json.loads(installed.run("get", "-k", str(OVERLAY), "-o", "json").stdout)["items"]
    gone = json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [one for one in objects if one["kind"] != "Namespace"]}
    )
    installed.run("delete", "-f", "-", stdin=gone, timeout=REMOVAL_SECONDS)
    installed.run("apply", "-k", str(OVERLAY))
    with broker(installed, tmp_path, "sidecar:2") as port:
        assert trusts(before, port)
        assert "sidecar:1" in recorded(installed)


def test_into_a_namespace_that_is_being_terminated_nothing_is_installed_and_afterwards_it_is(
    installed: Kube, tmp_path: Path
) -> None:
    holder = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "holder", "finalizers": ["example.test/holds"]},
    }
    with broker(installed, tmp_path, "sidecar:1") as port:
        before = bundle(installed)
        installed.create(holder, namespace=names.NAMESPACE)
        installed.run("delete", "-k", str(OVERLAY), "--wait=false")
        said = installed.run("apply", "-k", str(OVERLAY), check=False).stderr
        assert "because it is being terminated" in said
        assert trusts(before, port), "what runs goes on with what it has"
    release = {"metadata": {"finalizers": None}}
    installed.patch("configmap", "holder", release, names.NAMESPACE)
    installed.wait_for(
        lambda: installed.find("namespace", names.NAMESPACE) is None, what="its end", seconds=REMOVAL_SECONDS
    )
    installed.wait_for(
        lambda: installed.run("apply", "-k", str(OVERLAY), check=False).returncode == 0,
        what="the installation",
    )
    with broker(installed, tmp_path, "sidecar:1") as port:
        assert trusts(bundle(installed), port)

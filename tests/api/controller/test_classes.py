"""ConnectorClasses on an API server: status, columns, effects on Connectors, and the default class."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.components.brokers import settle
from support.components.controllers import Replica
from support.kubernetes.connector_places import Place
from support.kubernetes.kube import Kube
from support.servers.registry import Registry
from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.connector_class import PYPI, DefaultClass
from webhook.cluster.kubernetes import in_cluster_or_kubeconfig
from webhook.status.reported import condition

NEVER = 3600.0
CLASS = "connectorclass.connectors.alauda.io"
TEMPLATE = "[global]\ntimeout = 60\n[install]\nrequire-hashes = true\n"


def strict(template: str = TEMPLATE, **spec: Any) -> dict[str, Any]:
    configurations = [
        {"name": "pipconf", "data": {"pip.conf": template}},
        {"name": "pip-extra", "data": {"constraints.txt": "pip<26\n"}},
    ]
    metadata = {"name": "pypi-strict"}
    manifest = {"apiVersion": names.API_VERSION, "kind": "ConnectorClass", "metadata": metadata}
    return {**manifest, "spec": {"configurations": configurations, **spec}}


@pytest.fixture
def classes(cluster: Kube) -> Iterator[Kube]:
    yield cluster
    cluster.run("delete", CLASS, "pypi-strict", "--ignore-not-found")


def said(kube: Kube, name: str = "pypi-strict") -> tuple[str, str, str]:
    ready = condition(kube.get(CLASS, name), "Ready")
    return ready.get("status", ""), ready.get("reason", ""), ready.get("message", "")


def wait_said(kube: Kube, status: str, reason: str, name: str = "pypi-strict") -> str:
    kube.wait_for(lambda: said(kube, name)[:2] == (status, reason), what=f"class {reason}")
    return said(kube, name)[2]


def test_a_class_has_a_status_and_columns(classes: Kube, kubeconfig: Path) -> None:
    classes.apply(strict())
    with Replica(kubeconfig, "one", period_seconds=NEVER):
        wait_said(classes, "True", "Valid")
        wait_said(classes, "True", "Valid", "pypi")
        head, *rows = classes.run("get", CLASS).stdout.splitlines()
        assert head.split() == ["NAME", "READY", "REASON", "CONFIGURATIONS", "AGE"]
        (row,) = (row for row in rows if row.startswith("pypi-strict"))
        assert "True" in row
        assert "pipconf, pypirc, uv, pip-extra" in row
        classes.apply(strict("[global]\n\ntimeout = {{ seconds }}\n"))
        message = wait_said(classes, "False", "TemplateInvalid")
        assert message.startswith("pipconf: pip.conf: line 3: 'seconds' is undefined")
        assert classes.get(CLASS, "pypi-strict")["status"]["observedGeneration"] == 2
        classes.apply(strict(params=[{"name": "mirror", "default": "x"}]))
        assert "has no 'mirror'" in wait_said(classes, "False", "ConnectorClassInvalid")
        classes.apply(strict())
        wait_said(classes, "True", "Valid")


def test_the_kind_refuses_what_no_class_can_be(classes: Kube) -> None:
    for wrong in (
        strict(extraIndexes="perhaps"),
        strict("x" * 65537),
        strict(configurations=[{"name": "a"}, {"name": "a"}]),
        strict(params=[{"default": "x"}]),
    ):
        assert classes.run("apply", "-f", "-", stdin=json.dumps(wrong), check=False).returncode


def test_an_object_of_an_earlier_version_still_applies(classes: Kube, kubeconfig: Path) -> None:
    earlier = [{"name": "pipconf", "file": "pip.conf"}, {"name": "pypirc", "file": ".pypirc"}]
    classes.apply(strict(configurations=earlier))
    with Replica(kubeconfig, "one", period_seconds=NEVER):
        wait_said(classes, "True", "Valid")


def test_a_missing_class_is_reported_and_noticed_once_it_exists(
    classes: Kube, place: Place, registry: Registry, kubeconfig: Path
) -> None:
    place.login()
    place.connector(registry.origin, connectorClassName="pypi-strict")
    with Replica(kubeconfig, "one", period_seconds=NEVER):
        place.wait_said("ConnectorClassReady", "False", "ConnectorClassNotFound")
        classes.apply(strict())
        place.wait_ready()
        assert place.said("ConnectorClassReady")[2] == "the class pypi-strict is known"
        classes.apply(strict(extraIndexes="allow", params=[{"name": "access", "values": ["read"]}]))
        place.wait_said("Ready", "False", "InvalidParameter")
        classes.apply(strict(auth={"types": [{"name": "token"}]}))
        place.wait_said("SecretReady", "False", "InvalidAuth")
        classes.apply(strict(auth={"types": [{"name": "basicAuth", "secretType": "Opaque"}]}))
        place.wait_said("SecretReady", "False", "SecretTypeMismatch")
        classes.apply(strict(params=[{"name": "indexPath", "default": "other/"}]))
        place.wait_ready()
        place.kube.wait_for(
            lambda: any(one.target.startswith("/other/") for one in registry.requests), what="a new probe"
        )
        classes.delete(CLASS, "pypi-strict")
        place.wait_said("Ready", "False", "ConnectorClassNotFound")


@contextlib.contextmanager
def keeping(kubeconfig: Path) -> Iterator[None]:
    """The task that keeps the default class, with the broker's rights."""

    async def keep() -> None:
        async with await in_cluster_or_kubeconfig({"KUBECONFIG": str(kubeconfig)}) as api:
            cache = Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class)
            default = DefaultClass(api, cache)
            tasks = [asyncio.create_task(one) for one in (cache.run(), default.run())]
            await stopped.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await settle()

    loop, stopped = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(keep(),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


def test_the_default_class_comes_back_and_an_edit_of_it_stays(cluster: Kube, kubeconfig: Path) -> None:
    before = cluster.get(CLASS, "pypi")["metadata"]["uid"]
    edited = {**PYPI, "spec": {**PYPI["spec"], "params": [{"name": "access", "default": "read"}]}}
    with keeping(kubeconfig):
        cluster.delete(CLASS, "pypi")
        cluster.wait_for(
            lambda: cluster.run("get", CLASS, "pypi", check=False).returncode == 0, what="the class"
        )
        assert cluster.get(CLASS, "pypi")["metadata"]["uid"] != before
        cluster.apply(edited)
        cluster.delete(CLASS, "pypi")
        cluster.wait_for(
            lambda: cluster.run("get", CLASS, "pypi", check=False).returncode == 0, what="the class again"
        )
        cluster.apply(edited)
    with keeping(kubeconfig):
        cluster.apply(strict())
        cluster.delete(CLASS, "pypi-strict")
        assert cluster.get(CLASS, "pypi")["spec"]["params"] == edited["spec"]["params"]
    cluster.run("replace", "-f", "-", stdin=json.dumps(PYPI))

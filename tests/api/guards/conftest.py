"""The shipped guards, alone on an API server: no webhook repairs the requests that they must refuse.

A module names the guard on trial in `GUARD`, and in `LIFTED` whatever else would refuse the same attacks; its
function `prepare` makes the objects that they need.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.checkout import MANIFESTS
from support.kubernetes import clusters, guards
from support.kubernetes.kube import Kube


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    """As cluster administrator. Where the product is installed, so is its webhook: not on that cluster.

    Nor on a node of ours, where a kubelet answers what the API server alone refuses for want of one.
    """
    given = None if clusters.is_our_node() else clusters.given()
    if given is None or given.find("mutatingwebhookconfiguration", "pypi-connector") is not None:
        with clusters.api_server() as alone, _installed(alone):
            yield alone
    else:
        with _installed(given):
            yield given


@contextmanager
def _installed(kube: Kube) -> Iterator[None]:
    added = [
        folder
        for folder in ("crd", "policies")
        if "created" in kube.run("apply", "-k", str(MANIFESTS / folder)).stdout
    ]
    try:
        with kube.namespace() as name:
            # The last of all bindings in the order of their names, in which kubectl applies them.
            probe = guards.projecting_pod()
            kube.wait_for(
                lambda: guards.is_refused_by("pypi-connector-token-volume", guards.create(probe)(kube, name)),
                what="the guards to hold",
            )
        yield
    finally:
        for folder in reversed(added):
            kube.run("delete", "--wait=false", "--ignore-not-found", "-k", str(MANIFESTS / folder))


@pytest.fixture(scope="module")
def guarded(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace with people, and what the module has prepared."""
    with kube.namespace(prefix="guarded") as name:
        guards.give_rights(kube, name)
        request.module.prepare(kube, name)
        yield name


@pytest.fixture(scope="module")
def unguarded(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """The same without the guard."""
    policies = (request.module.GUARD, *getattr(request.module, "LIFTED", ()))
    with kube.namespace(prefix="unguarded") as name, guards.lifted(kube, policies, name):
        guards.give_rights(kube, name)
        request.module.prepare(kube, name)
        yield name

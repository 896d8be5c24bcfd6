"""Memory of the real processes with large Connectors that were made before guard 9 existed.

What a Connector weighs must not depend on what its author wrote into its annotations, however admission and
broker come to know it: by the list at their start, or by the watch. The figures for 12,200 Connectors are
`make bench-crowd`'s.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from support.components.crowds import Component, component, connector, create_all, known, prepare, until
from support.kubernetes import clusters
from support.kubernetes.kube import Kube

NAMESPACE = "crowd"
MANY = 200
ANNOTATION_BYTES = 250_000
"""The API server allows 256 KiB"""
GROWTH_MIB = 25.0
"""For 200 Connectors of 50 MB in all. Read as whole pages they took up to 150 MiB more"""


@pytest.fixture(scope="module")
def kubeconfigs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kube, dict[str, Path]]]:
    with clusters.api_server() as kube:
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield kube, prepare(kube, tmp_path_factory.mktemp("accounts"))


def create(kube: Kube, prefix: str, annotation_bytes: int) -> None:
    manifests = [partial(connector, f"{prefix}-{number}", annotation_bytes) for number in range(MANY)]
    create_all(kube, NAMESPACE, manifests)


def test_large_connectors_take_no_more_memory_than_small_ones(
    kubeconfigs: tuple[Kube, dict[str, Path]], tmp_path: Path
) -> None:
    kube, accounts = kubeconfigs

    def started(kind: str) -> AbstractContextManager[Component]:
        return component(kind, accounts[kind], tmp_path / kind)

    create(kube, "small", 100)
    peaks: dict[str, float] = {}
    with started("admission") as admission, started("broker") as broker:
        parts = {"admission": admission, "broker": broker}
        until(lambda: all(one.is_synced() for one in parts.values()))
        until(lambda: known(kube, NAMESPACE) == MANY)
        peaks = {kind: one.peak_mib for kind, one in parts.items()}
        create(kube, "large", ANNOTATION_BYTES)
        until(lambda: known(kube, NAMESPACE) == 2 * MANY)
        by_watch = {kind: one.peak_mib - peaks[kind] for kind, one in parts.items()}
    with started("admission") as admission, started("broker") as broker:
        parts = {"admission": admission, "broker": broker}
        until(lambda: all(one.is_synced() for one in parts.values()))
        by_list = {kind: one.peak_mib - peaks[kind] for kind, one in parts.items()}
    assert max(*by_watch.values(), *by_list.values()) < GROWTH_MIB, (peaks, by_watch, by_list)

"""`python -m benchmarks.cluster.crowd`: memory beside 10,000 small and 2,200 large Connectors.

There is an API server only, without the guards, as before an upgrade. The leader has written every status.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.cluster.tables import Table, number, render_markdown, render_text
from support.components.crowds import Component, component, connector, create_all, known, prepare, until
from support.kubernetes import clusters

NAMESPACE = "crowd"
ANNOTATION_BYTES = 250_000
"""Of a large Connector; the API server allows 256 KiB"""
REST_SECONDS = 30.0
"""A period of the controller, in which it inspects every Connector"""
PATIENCE_SECONDS = 1200.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster.crowd", description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=2_200)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    with clusters.api_server() as kube, tempfile.TemporaryDirectory() as folder:
        accounts = prepare(kube, Path(folder))
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

        def measured(kind: str, label: str, crowd: str, is_done: Callable[[], bool]) -> tuple[str, ...]:
            with component(kind, accounts[kind], Path(folder) / label) as process:
                begun = time.monotonic()
                until(process.is_synced, seconds=PATIENCE_SECONDS)
                synced = time.monotonic() - begun
                until(is_done, seconds=PATIENCE_SECONDS)
                return (label, crowd, number(synced, 1), *_after_a_rest(process))

        def all_measured(crowd: str, count: int) -> list[tuple[str, ...]]:
            return [
                measured("admission", "admission", crowd, lambda: True),
                measured("broker", "broker, leader", crowd, lambda: known(kube, NAMESPACE) == count),
            ]

        rows = all_measured("none", 0)
        small = [partial(connector, f"small-{number}") for number in range(options.small)]
        large = [partial(connector, f"large-{number}", ANNOTATION_BYTES) for number in range(options.large)]
        create_all(kube, NAMESPACE, [*small, *large])
        rows += all_measured(f"{len(small):,} small, {len(large):,} large", len(small) + len(large))
    columns = ("process", "Connectors", "synced after, s", "RSS, MiB", "peak, MiB")
    table = Table("Memory beside a crowd of Connectors", columns, rows)
    print((render_markdown if options.markdown else render_text)([table], ""))


def _after_a_rest(process: Component) -> tuple[str, str]:
    time.sleep(REST_SECONDS)
    return number(process.resident_mib, 0), number(process.peak_mib, 0)


if __name__ == "__main__":
    main()

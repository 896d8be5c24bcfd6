"""`python -m benchmarks.cluster`: brings a node up, installs the product, measures it, takes the node down.

On a node that is up already: `python -m node run -- .venv/bin/python -m benchmarks.cluster`.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Mapping

from benchmarks.cluster import admission, grants, images, memory, node, start
from benchmarks.cluster.bench import Bench, prepared
from benchmarks.cluster.tables import Table, render_markdown, render_text

FIGURES: Mapping[str, Callable[[Bench], Table]] = {
    "memory": memory.measure,  # first: the components are still idle
    "start": start.measure,
    "admission": admission.measure,
    "grants": grants.measure,
    "images": images.measure,
}


def main(arguments: list[str]) -> int:
    """Exit 0, or the code of a program of the node that failed, or 130 after Ctrl-C."""
    options = _parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # neither may leave the node behind
        signal.signal(number, signal.default_int_handler)
    if not node.is_inside():
        return node.run_inside(arguments)
    try:
        with prepared(is_quick=options.quick) as bench:
            tables = [bench.install, *(FIGURES[name](bench) for name in options.only or FIGURES)]
            machine = node.describe(bench.kube)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    render = render_markdown if options.markdown else render_text
    print(render(tables, machine))
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works, not to quote")
    parser.add_argument("--only", action="append", choices=FIGURES, help="one figure; may be repeated")
    parser.add_argument("--markdown", action="store_true", help="the tables of docs/performance.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

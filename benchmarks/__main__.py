"""`python -m benchmarks`: everything is started here, measured, ended and removed."""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter

from benchmarks.checks import check_subjects
from benchmarks.content import SMALL
from benchmarks.figures import FIGURES, Bench, Target
from benchmarks.load import LoadGenerator
from benchmarks.machine import MachineLacks, describe, find_programs, find_uv, free_port, work_folder
from benchmarks.registry import Registry, run_registry
from benchmarks.report import render_markdown, render_text
from benchmarks.subjects import (
    DIRECT,
    NGINX,
    NGINX_TUNED,
    SIDECAR,
    Subjects,
    Surroundings,
    install_python,
    make_subjects,
)
from benchmarks.traffic import Endpoint, seconds_to_first_answer


def main(arguments: list[str]) -> int:
    """Exit 0, 1 if a figure could not be taken, 130 after Ctrl-C."""
    options = _parse(arguments)
    # said of SIGINT too: a job in the background of a script is started with it ignored
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        programs = find_programs()
        with prepared(programs, is_quick=options.quick) as bench:
            results = [FIGURES[name](bench) for name in options.only or FIGURES]
    except MachineLacks as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; everything was ended and removed", file=sys.stderr)
        return 130
    render = render_markdown if options.markdown else render_text
    print(render(results, describe(programs["nginx"])))
    return 0


@contextmanager
def prepared(programs: dict[str, str], *, is_quick: bool) -> Iterator[Bench]:
    """Registry and subjects, alive; each is checked to do its job."""
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        print(f"Preparing 1 GiB and {folder}", file=sys.stderr)
        registry = stack.enter_context(run_registry(programs["nginx"], folder / "registry"))
        runs = folder / "runs"
        runs.mkdir()
        around = Surroundings(registry, runs, programs["nginx"], install_python(folder / "python"))
        subjects = make_subjects(around)
        standing = _start_standing(stack, subjects, registry)
        check_subjects(standing, registry, folder / "registry" / "root")
        load = LoadGenerator(programs["wrk"], folder / "load")
        yield Bench(around, subjects, standing, load, find_uv(), is_quick)


def _start_standing(stack: ExitStack, subjects: Subjects, registry: Registry) -> dict[str, Target]:
    direct = Endpoint(registry.port, registry.tls(), registry.authorization, "/upload/")
    seconds_to_first_answer(direct, SMALL, perf_counter())
    found = {DIRECT: Target(direct, None)}
    for name in (SIDECAR, NGINX, NGINX_TUNED):
        endpoint = Endpoint(free_port())
        service = stack.enter_context(subjects[name](endpoint.port))
        seconds_to_first_answer(endpoint, SMALL, perf_counter())
        found[name] = Target(endpoint, service)
    return found


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works, not to quote")
    parser.add_argument("--only", action="append", choices=FIGURES, help="one figure; may be repeated")
    parser.add_argument("--markdown", action="store_true", help="the table of docs/performance.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

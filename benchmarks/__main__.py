"""`python -m benchmarks`: starts everything, measures it, ends it and removes it."""

import argparse
import platform
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.bench import Bench, Target, start
from benchmarks.checks import check_subject
from benchmarks.content import SMALL
from benchmarks.figures import FIGURES
from benchmarks.load import LoadGenerator
from benchmarks.machine import MachineLacks, describe_machine, work_folder
from benchmarks.programs import LOAD, describe_programs, find_programs
from benchmarks.registry import run_registry
from benchmarks.report import render_markdown, render_text
from benchmarks.sidecars import install_sidecar
from benchmarks.subjects import NGINX, PEERS, STANDING, Context, make_subjects
from benchmarks.traffic import Endpoint, await_answer

_CHECKOUT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str]) -> int:
    """Exit 0, 1 if a figure could not be taken, 130 after Ctrl-C."""
    options = _parse(arguments)
    # SIGINT too: a script starts its background jobs with SIGINT ignored
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        programs = find_programs(options.without)
        with prepared(programs, options.against, is_quick=options.quick) as bench:
            results = [FIGURES[name](bench) for name in options.only or FIGURES]
    except MachineLacks as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; everything was ended and removed", file=sys.stderr)
        return 130
    render = render_markdown if options.markdown else render_text
    machine = [describe_machine(), f"Python {platform.python_version()}", describe_programs(programs)]
    print(render(results, ", ".join(machine)))
    return 0


@contextmanager
def prepared(programs: Mapping[str, str], against: Path | None, *, is_quick: bool) -> Iterator[Bench]:
    """Start the registry and the subjects. Each subject is checked to do its job."""
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        print(f"Preparing 1 GiB and {folder}", file=sys.stderr)
        registry = stack.enter_context(run_registry(programs[NGINX], folder / "registry"))
        python = install_sidecar(_CHECKOUT, folder / "python")
        before = install_sidecar(against, folder / "python-before") if against else None
        runs = folder / "runs"
        runs.mkdir()
        context = Context(registry, runs, programs, python, before)
        subjects = make_subjects(context)
        for name in subjects:
            with start(subjects, name) as target:
                check_subject(name, target.endpoint, registry, folder / "registry" / "root")
        direct = Endpoint(registry.port, registry.tls(), registry.authorization, "/upload/")
        await_answer(direct, SMALL)
        standing = {name: stack.enter_context(start(subjects, name)) for name in STANDING if name in subjects}
        load = LoadGenerator(programs[LOAD], folder / "load")
        yield Bench(context, subjects, Target(direct, None), standing, load, is_quick)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works, not to quote")
    parser.add_argument("--only", action="append", choices=FIGURES, help="one figure; may be repeated")
    parser.add_argument(
        "--without", action="append", choices=PEERS, default=[], help="leave this peer out; may be repeated"
    )
    parser.add_argument(
        "--against", type=_checkout, metavar="CHECKOUT", help="measure the sidecar of that checkout as well"
    )
    parser.add_argument("--markdown", action="store_true", help="the tables of docs/performance.md")
    return parser.parse_args(arguments)


def _checkout(text: str) -> Path:
    path = Path(text).resolve()
    if not (path / "sidecar" / "__main__.py").is_file():
        raise argparse.ArgumentTypeError(f"{text} has no sidecar/__main__.py")
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""People and tests inside a node: a shell, a program, or the whole run of `make e2e`."""

import os
import signal
import sys
from collections.abc import Callable, Sequence

from node import images, lifecycle
from node.layout import Node
from node.suite import Suite

API, E2E = "tests/api", "tests/e2e"
Say = Callable[[str], None]


def instructions(node: Node) -> str:
    """Instructions for a node that is up."""
    return "\n".join(
        [
            "use it so:",
            "  make cluster-shell                                 a shell inside, with kubectl",
            "  make cluster-shell RUN='kubectl get pods -A'       one command",
            "  make cluster-test TESTS=tests/e2e/test_images.py   tests on it; it stays up",
            "  make cluster-up                                    once more: load the images that changed",
            "  make cluster-down                                  the end of it",
            f"KUBECONFIG={node.kubeconfig} works inside only: the node has a network of its own",
            f"logs: {node.log}",
        ]
    )


def enter(node: Node, program: Sequence[str]) -> None:
    """Becomes the program, in the node's network; a shell when none is named."""
    program = [word for index, word in enumerate(program) if (index, word) != (0, "--")]
    command = node.entering(*(program or [os.environ.get("SHELL", "/bin/bash")]))
    sys.stderr.flush()
    os.execvpe(command[0], command, node.environment())  # noqa: S606 - a list, as everywhere


def test(node: Node, options: Sequence[str], say: Say) -> int:
    """pytest's exit code. The summary lines are printed last."""
    options = [word for index, word in enumerate(options) if (index, word) != (0, "--")]
    if os.environ.get("KUBECONFIG"):
        say("KUBECONFIG is set: the tests use that cluster and the images loaded there (docs/cluster.md)")
        return _finish([Suite(options or [API, E2E], dict(os.environ), shown=True)])
    if (reason := lifecycle.missing()) is not None:
        say(f"no tests on a node: {reason}")
        return 1 if os.environ.get("CI") == "true" else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: the node must not outlive this
    suites: list[Suite] = []
    with lifecycle.claim(node):
        try:
            lifecycle.down(node, say)  # of a run that was killed; tests begin with an empty database
            lifecycle.up(node, say)
            images.load(node, images.build(say), say)
            if not options:
                # They have an API server of their own, and the others mostly wait for Pods.
                say(f"{API} runs beside {E2E}; its output follows at the end")
                suites.append(Suite([API], dict(os.environ), entering=["nice"], shown=False))
            on_node = Suite(options or [E2E], node.environment(), entering=node.entering(), shown=True)
            suites.insert(0, on_node)
            return _finish(suites)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for suite in suites:
                suite.end()
            lifecycle.down(node, say)
            sys.stdout.writelines(suite.closing for suite in suites)


def _finish(suites: Sequence[Suite]) -> int:
    """The first exit code that is not 0, when all have ended."""
    try:
        return next(filter(None, [suite.result() for suite in suites]), 0)
    except KeyboardInterrupt:
        # They got it too, from the terminal: let them report what they have.
        for suite in suites:
            suite.result()
        raise

"""People and tests inside of a node: a shell, one program, or the whole run of `make e2e`."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import images
import lifecycle
from node import Node
from places import CHECKOUT

TESTS = ("tests/api", "tests/e2e")
INTERRUPTED_SECONDS = 10.0  # fixtures end in less; whoever sent SIGTERM may follow it by SIGKILL
Say = Callable[[str], None]


def instructions(node: Node) -> str:
    """What to do with a node that is up."""
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
    """pytest's exit code; its closing line is the last that is printed."""
    if os.environ.get("KUBECONFIG"):
        say("KUBECONFIG is set: the tests use that cluster and the images loaded there (docs/cluster.md)")
        return _pytest([], dict(os.environ), options)[0]
    if (reason := lifecycle.missing()) is not None:
        say(f"no tests on a node: {reason}")
        return 1 if os.environ.get("CI") == "true" else 0
    closing = ""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: the node must not outlive this
    with lifecycle.claim(node):
        try:
            lifecycle.down(node, say)  # of a run that was killed; tests begin with an empty database
            lifecycle.up(node, say)
            images.load(node, images.build(say), say)
            code, closing = _pytest(node.entering(), node.environment(), options)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            lifecycle.down(node, say)
            sys.stdout.write(closing)
    return code


def _pytest(entering: Sequence[str], environment: dict[str, str], options: Sequence[str]) -> tuple[int, str]:
    options = [word for index, word in enumerate(options) if (index, word) != (0, "--")]
    color = ["--color=yes"] if sys.stdout.isatty() else []
    command = [*entering, sys.executable, "-m", "pytest", *color, *(options or TESTS)]
    closing = ""
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                closing = line if re.search(r"={3,}.* in [\d.]+s", line) else closing
        except KeyboardInterrupt:
            # pytest got it too, from the terminal: let it report what it has.
            sys.stdout.write(process.stdout.read())
        except BaseException:
            process.send_signal(signal.SIGINT)  # so that its fixtures end what they have started
            with suppress(subprocess.TimeoutExpired):
                process.wait(INTERRUPTED_SECONDS)
            process.kill()
            raise
    return process.returncode, closing

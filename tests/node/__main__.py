"""A real Kubernetes for the tests: `python -m node COMMAND`, with `tests` on the path."""

import argparse
import os
import sys

from node import api_server, binaries, images, lifecycle, packages, session
from node.layout import DEFAULT, TESTED, Node
from node.problems import Problem


def main() -> int:
    arguments = parse()
    # `test` takes its node down: never the one that somebody works with.
    node = Node(arguments.node or (TESTED if arguments.command == "test" else DEFAULT))
    try:
        match arguments.command:
            case "build":
                binaries.build(say)
                if arguments.images:
                    packages.install(say)
                    images.build(say)
            case "gitea":
                binaries.build(say, [binaries.GITEA])
                sys.stdout.write(f"{binaries.GITEA.binary}\n")
            case "up":
                lifecycle.up(node, say)
                if not arguments.bare:
                    images.load(node, images.build(say), say)
                say(session.instructions(node))
            case "down":
                lifecycle.down(node, say)
            case "load":
                images.load(node, images.build(say), say)
            case "restart":
                lifecycle.restart(node, arguments.component, arguments.held_seconds)
            case "run":
                session.enter(node, arguments.program)
            case "test":
                return session.test(node, arguments.pytest, say)
            case "api-server":
                api_server.serve()
            case "keep":
                lifecycle.keep(node)
    except Problem as problem:
        say(str(problem))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node", description=__doc__)
    parser.add_argument("--node", default=os.environ.get("NODE"), help="which, where there are several")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build the programs that are missing in the cache")
    build.add_argument("--images", action="store_true", help="and the images")
    commands.add_parser("gitea", help="build Gitea, a registry for the tests, and print where it is")
    up = commands.add_parser("up", help="bring up the node, build and load the images")
    up.add_argument("--bare", action="store_true", help="without the images")
    commands.add_parser("down", help="take it down")
    commands.add_parser("load", help="build and load the images that changed")
    restart = commands.add_parser("restart", help="kill a component (kube-apiserver, …); it is started again")
    restart.add_argument("component")
    restart.add_argument("held_seconds", type=float, nargs="?", default=0.0)
    run = commands.add_parser("run", help="run a program inside, or a shell")
    run.add_argument("program", nargs=argparse.REMAINDER)
    test = commands.add_parser("test", help="bring up, run the tests, take down")
    test.add_argument("pytest", nargs=argparse.REMAINDER)
    commands.add_parser("api-server", help="an API server alone, until standard input ends")
    commands.add_parser("keep")  # what `up` leaves behind
    return parser.parse_args()


def say(sentence: str) -> None:
    sys.stderr.write(f"cluster: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())

"""A real Kubernetes for the tests: `python tests/cluster COMMAND`."""

import argparse
import sys

import api_server
import binaries
from problems import Problem


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build the programs that are missing in the cache")
    commands.add_parser("api-server", help="an API server alone, until standard input ends")
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "build":
                binaries.build(say)
            case "api-server":
                api_server.serve()
    except Problem as problem:
        say(str(problem))
        return 1
    return 0


def say(sentence: str) -> None:
    sys.stderr.write(f"cluster: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main())

"""A module to build, and a program to run."""

import sys


def main() -> None:
    sys.stdout.write("built and run\n")

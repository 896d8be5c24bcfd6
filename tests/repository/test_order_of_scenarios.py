"""The order of the scenarios on a node: scenarios that stop or remove the product come last."""

import subprocess
import sys
from functools import cache

from support.checkout import ROOT


@cache
def modules() -> tuple[str, ...]:
    """As they would run."""
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/e2e"]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line]
    return tuple(dict.fromkeys(name.removeprefix("tests/e2e/") for name in names))


def test_attacks_are_first_and_disruptions_last_and_none_is_split() -> None:
    order = modules()
    folders = [name.rpartition("/")[0] for name in order]
    assert list(dict.fromkeys(folders)) == ["attacks", "", "disruptive"]
    assert folders == sorted(folders, key=["attacks", "", "disruptive"].index)
    assert len(order) > 20


def test_the_search_follows_all_attacks_and_nothing_follows_the_removal() -> None:
    order = modules()
    attacks = [name for name in order if name.startswith("attacks/")]
    assert attacks[-1] == "attacks/test_whereabouts.py"
    assert order[-1] == "disruptive/test_uninstall.py"

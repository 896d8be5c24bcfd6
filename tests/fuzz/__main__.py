"""`make fuzz`: generated input for a given time, on the pure parts and on a sidecar. Exit 1 on a finding.

It is `PYTHONPATH=tests python -m fuzz` with the environment's Python.

FUZZ_SECONDS is the time in all; FUZZ_SEED the first seed, to repeat a round that found something.
"""

import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from fuzz.live import Finding, play_many
from support.certificates.authority import server_context
from support.checkout import TESTS

PLAYERS = 3
SEEDS_EACH = 10_000_000


def main() -> int:
    seconds = float(os.environ.get("FUZZ_SECONDS", "600"))
    first = int(os.environ.get("FUZZ_SEED") or random.randrange(1 << 32))
    deadline = time.monotonic() + seconds
    stop = threading.Event()
    server_context()  # made once, before the players would each make an authority of the same name
    say(f"first seed {first}, for {seconds:.0f} s")
    with ThreadPoolExecutor(PLAYERS) as pool:
        players = [pool.submit(play_many, first + number * SEEDS_EACH, stop) for number in range(PLAYERS)]
        rounds, code = 0, 0
        while not code and time.monotonic() < deadline and not any(player.done() for player in players):
            code = try_properties(first + rounds, deadline)
            rounds += 1
        stop.set()
        for player in players:
            try:
                say(f"{player.result()} rounds with a running sidecar held")
            except Finding as finding:
                say(f"FINDING: {finding}")
                code = 1
    say(f"{rounds} rounds of properties, {'something was found' if code else 'nothing was found'}")
    return code


def try_properties(seed: int, deadline: float) -> int:
    """The property suites with one more seed, until the deadline: not 0 if one of them failed."""
    command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", str(TESTS / "properties")]
    command += [f"--hypothesis-seed={seed}", "--hypothesis-profile=fuzz"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            output, _ = process.communicate(timeout=max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            return 0
    if process.returncode:
        say(output)
    return process.returncode


def say(text: str) -> None:
    sys.stdout.write(f"fuzz: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Many small requests, sent by wrk: written in C and a process of its own, so it is never the bottleneck."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import clean_environment
from benchmarks.traffic import Endpoint

_SCRIPT = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


class Load(NamedTuple):
    p50_ms: float
    p99_ms: float
    requests: int
    seconds: float

    @property
    def rate(self) -> float:
        """Requests per second"""
        return self.requests / self.seconds


class LoadGenerator:
    def __init__(self, wrk: str, folder: Path) -> None:
        folder.mkdir()
        self._wrk = wrk
        self._folder = folder
        self._script = folder / "result.lua"
        self._script.write_text(_SCRIPT)

    def run(self, endpoint: Endpoint, path: str, connections: int, seconds: int) -> Load:
        """Send requests for `seconds`. Any status but 200, or a broken connection, is an AssertionError."""
        command = [self._wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(self._script)]
        if endpoint.authorization:
            command += ["-H", f"Authorization: {endpoint.authorization}"]
        if endpoint.host:
            command += ["-H", f"Host: {endpoint.host}"]
        done = subprocess.run(
            [*command, endpoint.origin + path],
            env=clean_environment(self._folder),
            capture_output=True,
            text=True,
            check=True,
        )
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT "))
        requests, microseconds, p50, p99, errors = (int(word) for word in line.split()[1:])
        assert errors == 0, done.stdout
        return Load(p50 / 1000, p99 / 1000, requests, microseconds / 1e6)

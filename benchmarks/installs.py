"""Installs many uncached wheels into an empty folder, with uv and with pip."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from urllib.parse import quote

from benchmarks.bench import Bench, Target
from benchmarks.content import INSTALLED
from benchmarks.machine import clean_environment, find_uv
from benchmarks.registry import PASSWORD, USERNAME
from benchmarks.rounds import Sample, Samples
from benchmarks.subjects import BEFORE, DIRECT, NGINX, SIDECAR, Context
from benchmarks.traffic import Endpoint

_NAMES = (DIRECT, SIDECAR, BEFORE, NGINX)


def uv_install(bench: Bench) -> Samples:
    """Install 60 wheels, 40 MB together. Neither side has a cache."""
    command = [find_uv(), "pip", "install", "--quiet", "--no-config", "--no-cache", "--link-mode", "copy"]
    command += ["--python", str(bench.context.python)]

    def measure(target: Target) -> Sample:
        if target.service is None:
            return {"uv_s": _install(command, bench.context, target.endpoint)}
        target.service.forget_peak()
        seconds = _install(command, bench.context, target.endpoint)
        return {"uv_s": seconds, "uv_peak": target.service.peak_rss()}

    return bench.over("uv pip install", 25, _NAMES, measure)


def pip_install(bench: Bench) -> Samples:
    """The same with pip, which fetches and installs one wheel after the other."""
    command = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-cache-dir"]

    def measure(target: Target) -> Sample:
        return {"pip_s": _install(command, bench.context, target.endpoint)}

    return bench.over("pip install", 21, _NAMES, measure)


def _install(command: Sequence[str], context: Context, endpoint: Endpoint) -> float:
    """Install, and return the seconds. Only a direct client gets the private CA and the credential."""
    target = context.folder / "installed"
    home = context.folder / "client-home"
    home.mkdir(exist_ok=True)
    index = f"{endpoint.origin}/simple/"
    environment = clean_environment(home, PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1")
    if endpoint.tls is not None:
        environment["SSL_CERT_FILE"] = environment["PIP_CERT"] = str(context.registry.ca_file)
        index = index.replace("://", f"://{quote(USERNAME)}:{quote(PASSWORD)}@")
    names = [f"cold-{number:02d}" for number in range(INSTALLED)]
    command = [*command, "--target", str(target), "--index-url", index, *names]
    try:
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        assert done.returncode == 0, done.stderr
        assert len(list(target.glob("cold_*-1.0.dist-info"))) == INSTALLED
        return seconds
    finally:
        shutil.rmtree(target, ignore_errors=True)

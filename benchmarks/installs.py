"""`uv pip install` of many cold wheels into an empty folder."""

import shutil
import subprocess
import time
from urllib.parse import quote

from benchmarks.content import INSTALLED
from benchmarks.machine import clean_environment
from benchmarks.registry import PASSWORD, USERNAME
from benchmarks.subjects import Surroundings
from benchmarks.traffic import Endpoint


def install(uv: str, around: Surroundings, endpoint: Endpoint) -> float:
    """Seconds. Straight from the registry uv gets the private CA and the credential, else neither."""
    target = around.folder / "installed"
    home = around.folder / "uv-home"
    home.mkdir(exist_ok=True)
    index = f"{endpoint.origin}/simple/"
    environment = clean_environment(home)
    if endpoint.tls is not None:
        environment["SSL_CERT_FILE"] = str(around.registry.ca_file)
        index = index.replace("://", f"://{quote(USERNAME)}:{quote(PASSWORD)}@")
    command = [uv, "pip", "install", "--quiet", "--no-config", "--no-cache", "--link-mode", "copy"]
    command += ["--python", str(around.python), "--target", str(target), "--index-url", index]
    command += [f"cold-{number:02d}" for number in range(INSTALLED)]
    try:
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        assert done.returncode == 0, done.stderr
        assert len(list(target.glob("cold_*-1.0.dist-info"))) == INSTALLED
        return seconds
    finally:
        shutil.rmtree(target, ignore_errors=True)

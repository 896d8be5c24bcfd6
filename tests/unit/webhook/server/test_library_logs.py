"""The log lines of libraries, which may quote requests. They are quiet at every level that is set."""

import json
import subprocess
import sys

LIBRARIES = ("aiohttp", "asyncio", "httpcore", "httpx", "kubernetes", "uvicorn")
PROGRAM = """
import json, logging, sys
import webhook.server.broker_process
from webhook.server import logs
logs.set_up("debug")
print(json.dumps({name: logging.getLogger(name).getEffectiveLevel() for name in sys.argv[1:]}))
"""


def levels(*names: str) -> dict[str, int]:
    run = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, *names], capture_output=True, text=True, check=True
    )
    effective: dict[str, int] = json.loads(run.stdout)
    return effective


def test_no_library_logs_below_a_warning_at_debug() -> None:
    effective = levels(*LIBRARIES, "webhook")
    assert effective.pop("webhook") == 10
    assert {name for name, level in effective.items() if level < 30} == set()

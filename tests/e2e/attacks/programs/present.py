"""Presents a token to the broker: `present.py FILE NAMESPACE/CONNECTOR`; prints the answer, a JSON object."""

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BROKER = "https://pypi-connector-broker.pypi-connector-system.svc/v1/grants"


def main() -> None:
    request = urllib.request.Request(
        BROKER,
        json.dumps({"connector": sys.argv[2], "rejected": None}).encode(),
        {
            "Authorization": f"Bearer {Path(sys.argv[1]).read_text()}",
            "Content-Type": "application/json",
        },
    )
    # an attacker need not verify who answers
    context = ssl._create_unverified_context()  # noqa: S323
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            told = {"status": answer.status, "body": answer.read().decode()}
    except urllib.error.HTTPError as error:
        told = {"status": error.code, "body": error.read().decode()}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


main()
if len(sys.argv) > 3:
    time.sleep(float(sys.argv[3]))

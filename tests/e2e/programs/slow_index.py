"""A registry of one package, `heavy`, whose download takes six seconds: time enough to break it off.

Standard library only. Each download that begins is a line on standard output.
"""

import io
import sys
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS = 6.0
PIECES = 100
PIECE = 20_000
NAME = "heavy-1.0-py3-none-any.whl"
INFO = "heavy-1.0.dist-info"
FILES = {
    "heavy.py": "#" * (PIECES * PIECE),
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: heavy\nVersion: 1.0\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


def wheel() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
        names = [*FILES, f"{INFO}/RECORD"]
        archive.writestr(f"{INFO}/RECORD", "".join(f"{name},,\n" for name in names))
    return made.getvalue()


WHEEL = wheel()
PAGE = f'<!DOCTYPE html><a href="/files/{NAME}" data-core-metadata="true">{NAME}</a>'.encode()
"""PEP 658: a client reads the metadata by itself, and the wheel once"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        is_file = self.path.endswith(".whl")
        metadata = FILES[f"{INFO}/METADATA"].encode()
        body = WHEEL if is_file else metadata if self.path.endswith(".metadata") else PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if body is PAGE else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not is_file:
            self.wfile.write(body)
            return
        sys.stdout.write("download\n")
        sys.stdout.flush()
        for start in range(0, len(body), PIECE):
            self.wfile.write(body[start : start + PIECE])
            time.sleep(SECONDS / PIECES)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("", 8080), Handler).serve_forever()

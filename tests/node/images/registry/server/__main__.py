"""Environment → registry; SIGTERM → exit 0 at once, though this is PID 1, which ignores it by default."""

import os
import signal

from server import devpi, pypi
from server.settings import Settings


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    settings = Settings.parse(os.environ)
    (devpi if settings.kind == "devpi" else pypi).serve(settings)


if __name__ == "__main__":
    main()

"""Entry point: hands arguments and environment down, and the exit code up."""

import os
import sys

from webhook import cli


def main() -> None:
    try:
        code = cli.run(sys.argv[1:], os.environ)
    except KeyboardInterrupt:
        code = 130  # 128 + SIGINT
    sys.exit(code)


if __name__ == "__main__":
    main()

"""Entry point: hands arguments and environment down, and the exit code up."""

import os
import signal
import sys


def main() -> None:
    # process 1 of a container has no default action: a Pod deleted while this imports would linger
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # 128 + SIGTERM
    try:
        from webhook import cli
    except ModuleNotFoundError as error:  # the base install is the sidecar's, which needs none of it
        sys.exit(f"pypi-connector: {error.name} is not installed: pip install 'pypi-connector[webhook]'")
    try:
        code = cli.run(sys.argv[1:], os.environ)
    except KeyboardInterrupt:
        code = 130  # 128 + SIGINT
    except BrokenPipeError:  # `… | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes at its end
        code = 141  # 128 + SIGPIPE
    sys.exit(code)


if __name__ == "__main__":
    main()

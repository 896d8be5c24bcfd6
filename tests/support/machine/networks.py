"""A separate network for a part of a test: addresses and a resolver that this machine does not have.

Linux keeps network and mounts per thread (namespaces(7)): what the thread starts lives there too. That
takes root.
"""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

_NEW_MOUNTS, _NEW_NETWORK = 0x00020000, 0x40000000  # CLONE_NEWNS, CLONE_NEWNET of sched.h


def run_apart(
    work: Callable[[], None],
    *,
    addresses: Sequence[str] = (),
    resolver: Path | None = None,
    hosts: Path | None = None,
) -> None:
    """Call `work` where only the loopback interface exists, with these addresses besides its own.

    `resolver` stands for /etc/resolv.conf there, `hosts` for /etc/hosts. Errors of `work` are raised here.
    """
    errors: list[BaseException] = []

    def enter_and_work() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(_NEW_NETWORK | _NEW_MOUNTS):
                raise OSError(ctypes.get_errno(), "a network of its own needs root")
            _run("mount", "--make-rprivate", "/")
            for file, place in ((resolver, "/etc/resolv.conf"), (hosts, "/etc/hosts")):
                if file is not None:
                    _run("mount", "--bind", str(file), os.path.realpath(place))
            _run("ip", "link", "set", "lo", "up")
            for address in addresses:
                _run("ip", "address", "add", address, "dev", "lo")
            work()
        except BaseException as error:  # noqa: BLE001 (raised again where the test waits)
            errors.append(error)

    thread = threading.Thread(target=enter_and_work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def _run(*command: str) -> None:
    subprocess.run(command, check=True)

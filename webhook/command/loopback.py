"""Ports of this machine's loopback interface: free, or taken."""

import socket


def free_port() -> int:
    """A port on which nobody listens now; that may change a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Whether a process listens on the port."""
    with socket.socket() as probe:
        return bool(probe.connect_ex(("127.0.0.1", port)) == 0)

"""Addresses of the machine that the tests run on."""

import socket


def own_address() -> str | None:
    """An address that is not loopback, for undeclared redirects. Packets stay on this machine.

    None where the machine has no other.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.99", 9))  # RFC 5737; nothing is sent
        except OSError:
            return None
        address: str = sock.getsockname()[0]
    return None if address.startswith("127.") else address

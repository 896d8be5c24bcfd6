"""Finds the user of a connection: the loopback interface belongs to all users of a machine.

Linux lists sockets in /proc/net/tcp (proc_pid_net(5)): addresses in hexadecimal, user and inode. A closed
socket shows user 0 and no inode, so a line without an inode proves nothing.
"""

import struct
from collections.abc import Iterable

_TABLE = "/proc/net/tcp"


def is_allowed_peer(peer: tuple[str, int], local: tuple[str, int], uid: int) -> bool:
    """Whether the socket at the other end, an IPv4 address and port, belongs to `uid` or root."""
    with open(_TABLE, encoding="ascii") as table:
        return find_owner(table, peer, local) in (uid, 0)


def find_owner(lines: Iterable[str], peer: tuple[str, int], local: tuple[str, int]) -> int | None:
    """The user of the socket with local address `peer` and remote address `local`. Pure."""
    wanted = [_hexadecimal(peer), _hexadecimal(local)]
    for line in lines:
        fields = line.split()
        if fields[1:3] == wanted:
            return int(fields[7]) if fields[9] != "0" else None
    return None


def _hexadecimal(address: tuple[str, int]) -> str:
    packed = bytes(int(part) for part in address[0].split("."))
    (number,) = struct.unpack("=I", packed)  # the kernel prints it in the machine's own byte order
    return f"{number:08X}:{address[1]:04X}"

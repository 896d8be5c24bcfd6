"""Whose connection it is: on a machine with several users the loopback interface belongs to all of them.

Linux tells in /proc/net/tcp (proc_pid_net(5)): a line per socket with its addresses in hexadecimal, its user
and its inode. A closed socket shows user 0 and no inode, so one without an inode proves nothing.
"""

import struct
from collections.abc import Iterable

_TABLE = "/proc/net/tcp"


def is_allowed_peer(peer: tuple[str, int], local: tuple[str, int], uid: int) -> bool:
    """Whether the socket at the other end, an IPv4 address and port, belongs to `uid` or root."""
    with open(_TABLE, encoding="ascii") as table:
        return find_owner(table, peer, local) in (uid, 0)


def find_owner(lines: Iterable[str], peer: tuple[str, int], local: tuple[str, int]) -> int | None:
    """The user of the socket that is `peer` seen from here, `local` seen from there. Pure."""
    wanted = [_hexadecimal(peer), _hexadecimal(local)]
    for line in lines:
        fields = line.split()
        if fields[1:3] == wanted:
            return int(fields[7]) if fields[9] != "0" else None
    return None


def _hexadecimal(address: tuple[str, int]) -> str:
    octets = bytes(int(part) for part in address[0].split("."))
    (number,) = struct.unpack("=I", octets)  # in the machine's own byte order, as the kernel prints it
    return f"{number:08X}:{address[1]:04X}"

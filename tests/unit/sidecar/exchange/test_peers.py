"""Whose connection it is, from lines in the form of /proc/net/tcp on a little-endian machine.

Their columns behind the inode, which nobody reads, are left out.
"""

import os
import socket
import sys

import pytest

from sidecar.exchange.peers import find_owner, is_allowed_peer

SERVER, CLIENT = ("127.0.0.1", 28100), ("127.0.0.1", 41234)
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:6DC4 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 50001
   1: 0100007F:6DC4 0100007F:A112 01 00000000:00000000 00:00000000 00000000  1001        0 50002
   2: 0100007F:A112 0100007F:6DC4 01 00000000:00000000 02:00000ABC 00000000  1000        0 50003
   3: 0100007F:A113 0100007F:6DC4 06 00000000:00000000 03:00001234 00000000     0        0 0
   4: 0100007F:A114 0100007F:6DC4 01 00000000:00000000 00:00000000 00000000     0        0 50005
   5: 0100007F:A115 0200007F:6DC4 01 00000000:00000000 00:00000000 00000000  1002        0 50006
   6: 0101A8C0:A116 0100007F:6DC4 01 00000000:00000000 00:00000000 00000000  1003        0 50007
   7: 0100007F:0050 0100007F:6DC4 01 00000000:00000000 00:00000000 00000000  1004        0 50008
""".splitlines(keepends=True)

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the kernel prints the machine's own order")


@pytest.mark.parametrize(
    ("peer", "local", "owner"),
    [
        (CLIENT, SERVER, 1000),
        (SERVER, CLIENT, 1001),
        (("127.0.0.1", 41236), SERVER, 0),
        (("127.0.0.1", 41237), ("127.0.0.2", 28100), 1002),
        (("192.168.1.1", 41238), SERVER, 1003),
        (("127.0.0.1", 80), SERVER, 1004),
    ],
)
def test_the_owner_is_that_of_the_socket_at_the_other_end(
    peer: tuple[str, int], local: tuple[str, int], owner: int
) -> None:
    assert find_owner(TABLE, peer, local) == owner


def test_a_closed_socket_shows_user_0_and_proves_nothing() -> None:
    assert find_owner(TABLE, ("127.0.0.1", 41235), SERVER) is None


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        (("127.0.0.1", 41299), SERVER),
        (CLIENT, ("127.0.0.1", 28101)),
        (("127.0.0.1", 41237), SERVER),
        (("1.0.0.127", 41234), SERVER),
        (SERVER, ("0.0.0.0", 1)),
    ],
)
def test_a_socket_that_is_not_there_has_no_owner(peer: tuple[str, int], local: tuple[str, int]) -> None:
    assert find_owner(TABLE, peer, local) is None


def test_an_empty_table_has_no_owner() -> None:
    assert find_owner([], CLIENT, SERVER) is None
    assert find_owner(TABLE[:1], CLIENT, SERVER) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_kernel_tells_that_a_connection_of_ours_is_ours_until_it_closes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        with server.accept()[0] as accepted:
            peer, local = accepted.getpeername(), accepted.getsockname()
            assert is_allowed_peer(peer, local, os.getuid())
            assert is_allowed_peer(peer, local, os.getuid() + 1) is (os.getuid() == 0)
            client.close()
            assert not is_allowed_peer(peer, local, os.getuid())

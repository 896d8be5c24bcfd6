"""The sidecar's start gate: a `postStart` hook that returns once every loopback port listens. Pure.

The kubelet starts the next container when the hook returns (KEP-753). Its own probes cannot see a loopback
listener. The hook is a shell that reads /proc/net/tcp: it starts in 1 ms, Python in 30 ms, in every Pod.
"""

from collections.abc import Iterable

LIMIT_SECONDS = 20
"""A hook that never returns blocks the Pod's deletion for minutes. On an idle node the sidecar listens after
0.1 s. A node that takes two hundred times as long is too busy, and the kubelet starts the container anew."""

# /proc/net/tcp: `sl local_address rem_address st …`; the address is printed in the machine's byte order,
# 0A is TCP_LISTEN (include/net/tcp_states.h). For example, port 28194 is 6E22, so the script looks for
# " 0100007F:6E22 00000000:0000 0A ". A hundred steps of 0.01 s take 1.3 s: grep and sleep add 3 ms to each.
# Steps of 0.05 s would let every Pod wait 20 ms longer on average.
SCRIPT = """\
steps=$(($1 * 100)); shift
for port in "$@"; do
  listens=" (0100007F|7F000001):$(printf %04X "$port") [0-9A-F]+:[0-9A-F]+ 0A "
  until grep -Eq "$listens" /proc/net/tcp; do
    if [ "$steps" -le 0 ]; then
      echo "pypi-connector does not listen on 127.0.0.1:$port: see the log of this container" >&2
      exit 1
    fi
    steps=$((steps - 1)); sleep 0.01
  done
done
"""


def command(ports: Iterable[int], *, limit_seconds: int = LIMIT_SECONDS) -> list[str]:
    """The exec command. The image needs `sh`, `grep` and `sleep`."""
    return ["sh", "-c", SCRIPT, "start-gate", str(limit_seconds), *(str(port) for port in ports)]

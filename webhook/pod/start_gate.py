"""The sidecar's start gate: a `postStart` hook that returns once every loopback port listens. Pure.

The kubelet starts the next container when the hook returns (KEP-753), and its own probes cannot see a
loopback listener. A shell that reads /proc/net/tcp starts in a millisecond, a Python in thirty, in every Pod.
"""

from collections.abc import Iterable

LIMIT_SECONDS = 20
"""A hook that never returns blocks the Pod's deletion for minutes. The sidecar listens after 0.1 s on an idle
node; a hundred times that and more is a node that is too busy, and the container is started anew."""

# /proc/net/tcp: `sl local_address rem_address st …`; the address is printed in the machine's byte order,
# 0A is TCP_LISTEN (include/net/tcp_states.h). A hundred steps of 0.01 s make a second and a little: grep and
# sleep take 3 ms more each. Steps of 0.05 s let every Pod wait 20 ms longer in the mean.
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
    """The exec command; needs `sh`, `grep` and `sleep` in the image."""
    return ["sh", "-c", SCRIPT, "start-gate", str(limit_seconds), *(str(port) for port in ports)]

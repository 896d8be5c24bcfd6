"""Takes uploads for the registry: reads each body to its end, and answers with the number of its bytes.

nginx cannot do that by itself: `return 200` answers before the body is read. This file is started without the
package: `python sink.py SOCKET`.
"""

import contextlib
import socket
import sys
import threading

_BUFFER = 1024 * 1024


def serve(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        while True:
            threading.Thread(target=_answer, args=(listener.accept()[0],), daemon=True).start()


def _answer(sock: socket.socket) -> None:
    view = memoryview(bytearray(_BUFFER))
    with sock, contextlib.suppress(ConnectionError):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            if not piece:
                return
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        (length,) = (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        count = len(body)
        while count < length:
            received = sock.recv_into(view)
            if not received:
                return
            count += received
        text = b"%d" % count
        sock.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)
        )


if __name__ == "__main__":
    serve(sys.argv[1])

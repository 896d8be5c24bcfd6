"""TLS of the registry's own port: the certificate is read once, the handshake is each connection's own."""

import ssl
from pathlib import Path


def server_context(folder: Path | None) -> ssl.SSLContext | None:
    if folder is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context

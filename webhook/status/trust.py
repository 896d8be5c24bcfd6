"""The TLS of a probe: the sidecar's rules of trust. A registry that Pods can install from must be Ready."""

import functools
import ssl


def trust(ca: str | None) -> ssl.SSLContext:
    """`ca`: a PEM bundle; None: the system's."""
    if ca is None:
        return _system_trust()
    return _lenient(ssl.create_default_context(cadata=ca))


@functools.cache
def _system_trust() -> ssl.SSLContext:
    """Read once: the bundle takes 10 ms of the loop, and changes only with the image."""
    return _lenient(ssl.create_default_context())


def _lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    """The flags of `sidecar.sockets.connections.make_tls_context`, which says why, under each Python.

    And without finite-field Diffie-Hellman (RFC 5246), whose size the server chooses: with 10,000 bits a
    handshake takes a second of this process.
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    ciphers = [cipher["name"] for cipher in context.get_ciphers() if cipher["kea"] != "kx-dhe"]
    context.set_ciphers(":".join(ciphers))
    return context

"""The TLS of a probe: the author of a Connector chooses the server, and it must not choose our work."""

import ssl

from webhook.status.trust import trust


def key_exchanges(context: ssl.SSLContext) -> set[str]:
    return {str(cipher["kea"]) for cipher in context.get_ciphers()}


def test_no_server_chooses_the_size_of_a_diffie_hellman_group() -> None:
    """A handshake with a group of 10,000 bits took a second of the broker's loop."""
    assert "kx-dhe" in key_exchanges(ssl.create_default_context())
    assert "kx-dhe" not in key_exchanges(trust(None))


def test_all_other_ciphers_stay() -> None:
    usual = {str(cipher["name"]) for cipher in ssl.create_default_context().get_ciphers()}
    ours = {str(cipher["name"]) for cipher in trust(None).get_ciphers()}
    assert {name for name in usual - ours if not name.startswith("DHE-")} == set()
    assert len(ours) > 5

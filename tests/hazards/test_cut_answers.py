"""A registry repeats the credential where its long error page is cut: half a credential is hidden as well."""

import pytest

from support.servers.registry import Registry, gzipped
from support.sidecars.running import AUTHORIZATION, PASSWORD, Sidecar

WHEEL = "/files/foo-1.0-py3-none-any.whl"
SHOWN = 64 * 1024


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("secret", [PASSWORD, AUTHORIZATION.removeprefix("Basic ")], ids=["plain", "encoded"])
def test_the_first_half_of_a_credential_is_not_shown(
    registry: Registry, sidecar: Sidecar, secret: str, is_packed: bool
) -> None:
    """The client chooses the length of the path before it in the page, and so its place."""
    for missing in (1, len(secret) // 2):
        shown = secret[:-missing]
        page = b"x" * (SHOWN - len(shown)) + secret.encode() + b"x" * 10_000
        body = gzipped(page) if is_packed else page
        headers = {"Content-Encoding": "gzip"} if is_packed else {}
        registry.on(WHEEL, lambda call, body=body, headers=headers: call.reply(404, body, headers))
        reply = sidecar.get(WHEEL, Accept_Encoding="gzip")
        assert reply.status == 404
        assert shown.encode() not in reply.body

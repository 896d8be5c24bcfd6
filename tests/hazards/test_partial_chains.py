"""A chain of three certificates and every bundle of it: probe and sidecar trust what curl trusts.

The defaults of Python differ: 3.13 accepts an intermediate certificate as the end of a chain, and earlier
versions do not. So a laptop and a Pod would disagree.
"""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from sidecar.sockets.connections import make_tls_context
from support.certificates.authority import ca
from support.certificates.chains import Chain, make_chain
from support.components.probes import HOST, PAGE, at, look
from support.machine.environments import clean
from support.servers.registry import Registry
from support.sidecars.running import grant, running_sidecar
from webhook.status.trust import trust

CHAIN = make_chain(("localhost", HOST))
OTHER = make_chain(("localhost", HOST))

BUNDLES: Mapping[str, tuple[Callable[[Chain], str], bool]] = {
    "root": (lambda chain: chain.root, True),
    "intermediate": (lambda chain: chain.intermediate, True),
    "leaf": (lambda chain: chain.leaf, True),
    "root and intermediate": (lambda chain: chain.root + chain.intermediate, True),
    "expired root and intermediate": (lambda chain: chain.expired_root + chain.intermediate, True),
    "expired root and its successor": (lambda chain: chain.expired_root + chain.root, True),
    "another authority and the intermediate": (lambda chain: ca() + chain.intermediate, True),
    "expired root": (lambda chain: chain.expired_root, False),
    "another authority": (lambda chain: ca(), False),
    "another root of the same name": (lambda chain: OTHER.root, False),
    "another intermediate of the same name": (lambda chain: OTHER.intermediate, False),
}
EACH = pytest.mark.parametrize(
    ("bundle", "is_trusted"),
    [(make(CHAIN), is_trusted) for make, is_trusted in BUNDLES.values()],
    ids=BUNDLES.keys(),
)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry(CHAIN.context) as registry:
        registry.page(PAGE, b'<a href="x-1.0.zip">x-1.0.zip</a>')
        yield registry


@EACH
def test_the_probe_trusts_a_bundle(registry: Registry, bundle: str, is_trusted: bool) -> None:
    seen = look(at(registry), ca_bundle=bundle)
    assert (seen.outcome == "ok", seen.is_untrusted) == (is_trusted, not is_trusted), seen


@EACH
def test_the_sidecar_trusts_a_bundle(
    registry: Registry, tmp_path: Path, bundle: str, is_trusted: bool
) -> None:
    local = at(registry, "localhost") + "/simple/"
    with running_sidecar(tmp_path, grant(registry, ca=bundle, index_url=local)) as sidecar:
        reply = sidecar.get(PAGE)
    assert reply.status == (200 if is_trusted else 502), reply
    if not is_trusted:
        assert "certificate verify failed" in reply.reason


@EACH
def test_curl_trusts_a_bundle(registry: Registry, tmp_path: Path, bundle: str, is_trusted: bool) -> None:
    curl = shutil.which("curl")
    assert curl
    file = tmp_path / "ca.pem"
    file.write_text(bundle)
    command = [curl, "-s", "-o", "/dev/null", "--capath", "/dev/null", "--cacert", str(file)]
    result = subprocess.run([*command, at(registry, "localhost") + PAGE], env=clean(), check=False)
    assert (result.returncode == 0) == is_trusted


@pytest.mark.parametrize(
    "context",
    [make_tls_context(CHAIN.root), make_tls_context(None), trust(CHAIN.root), trust(None)],
    ids=["sidecar", "sidecar, by the system", "probe", "probe, by the system"],
)
def test_each_python_verifies_by_the_same_rules(context: ssl.SSLContext) -> None:
    """3.13 turns both flags on, 3.11 and 3.12 neither."""
    rules = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    assert context.verify_flags == rules
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

"""The destinations of a probe and its trust, in spite of names, redirects and proxies."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.certificates.authority import ca, server_context
from support.certificates.plain_authority import create_plain_authority, issue_plain_leaf
from support.components.probes import HOST, INDEX, LOOPBACK, PAGE, Names, answer, at, look
from support.servers.registry import Registry, Script
from webhook.connector.conditions import Probe
from webhook.status.resolver import resolve_by_system

WEB = "; spec.address is probably that of a web interface"
NOT_LISTENING = "127.0.0.2"  # the scripted registries listen on 127.0.0.1 alone


# -- certificates


def test_a_certificate_is_verified_for_the_name_and_not_for_the_address() -> None:
    with Registry(server_context((HOST,))) as registry:
        registry.on(PAGE, answer(200))
        assert look(at(registry), ca_bundle=ca()).outcome == "ok"
        detail = look(registry.origin, ca_bundle=ca()).detail
    assert detail.startswith("certificate verify failed: ")
    assert "127.0.0.1" in detail


def test_a_certificate_for_the_address_alone_is_not_valid_for_the_name() -> None:
    with Registry(server_context((LOOPBACK,))) as registry:
        assert "certificate verify failed: Hostname mismatch" in look(at(registry), ca_bundle=ca()).detail


@pytest.mark.parametrize("ca_bundle", [None, ca("another")])
def test_a_certificate_of_an_unknown_authority_is_reported_before_any_credential_is_sent(
    ca_bundle: str | None,
) -> None:
    with Registry(server_context((HOST,))) as registry:
        seen = look(at(registry), ca_bundle=ca_bundle)
        assert seen.outcome == "unreachable"
        assert seen.is_untrusted
        assert seen.detail.startswith("certificate verify failed: ")
        assert registry.requests == []


def test_an_expired_certificate_is_reported() -> None:
    with Registry(server_context((HOST,), is_expired=True)) as registry:
        detail = look(at(registry), ca_bundle=ca()).detail
    assert detail == "certificate verify failed: certificate has expired"


def test_a_private_authority_without_recommended_extensions_is_trusted(tmp_path: Path) -> None:
    """Python 3.13's default refuses it. The sidecar accepts it, so the registry must be Ready."""
    now = datetime.now(UTC)
    authority = create_plain_authority(now)
    leaf = issue_plain_leaf(authority, (HOST,), now)
    pair = tmp_path / "pair.pem"
    pair.write_text(leaf.certificate + leaf.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    with Registry(context) as registry:
        registry.on(PAGE, answer(200))
        assert look(at(registry), ca_bundle=authority.certificate).outcome == "ok"


# -- forbidden destinations


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/",
        "/elsewhere/",
        "/users/sign_in?next=/simple/pypi-connector-probe/",
        "//other.test/",
        f"https://other.test{PAGE}",
        f"http://files.test:8080{PAGE}",
        "https://files.test/login/",
    ],
)
def test_a_redirect_is_not_followed(location: str) -> None:
    with Registry() as registry:
        registry.on("*", answer(302, Location=location))
        names = Names([LOOPBACK])
        seen = look(at(registry), resolve=names, files="https://files.test")
        expected = Probe("unexpected", "status code 302")
        if "sign_in" in location or "login" in location:
            expected = Probe("foreign", f"status code 302, a redirect to a sign-in page{WEB}")
        assert seen == expected
        assert [request.target for request in registry.requests] == [PAGE, INDEX]
        assert len(names.asked) == 1


@pytest.mark.parametrize(
    "location",
    [
        f"https://Files.test:443/content{PAGE}",
        PAGE.rstrip("/"),
        f"http://files.test{PAGE}",
        f"https://files.test.{PAGE}",
    ],
)
def test_a_redirect_to_the_same_page_of_a_declared_origin_is_as_good(location: str) -> None:
    """Pulp redirects to its content host, and Pods can install: it is Ready. That host gets no request."""
    with Registry() as registry:
        registry.on("*", answer(302, Location=location))
        names = Names([LOOPBACK])
        seen = look(at(registry), resolve=names, files="https://files.test")
        assert seen == Probe("ok", "status code 302, to the same page")
        assert [request.target for request in registry.requests] == [PAGE]
        assert len(names.asked) == 1


def test_a_place_out_of_the_index_is_asked_once_at_the_same_address_without_the_credential() -> None:
    with Registry(server_context((HOST,))) as registry:
        place = f"/content{PAGE}"
        registry.on("*", answer(302, Location=f"http://{HOST}:{registry.port}{place}?a=b"))
        registry.on(place, answer(200))
        names = Names([LOOPBACK])
        assert look(at(registry), resolve=names, ca_bundle=ca()) == Probe(
            "ok", "status code 302, to the same page"
        )
        sent = [(request.target, request.header("authorization")) for request in registry.requests]
        assert [target for target, _ in sent] == [PAGE, f"{place}?a=b"]
        assert sent[0][1] is not None
        assert sent[1][1] is None
        assert registry.requests[1].header("host") == f"{HOST}:{registry.port}"
        assert len(names.asked) == 1


def test_a_place_that_wants_the_credential_is_named_with_the_field_that_opens_it() -> None:
    with Registry() as registry:
        registry.on("*", answer(302, Location=f"/content{PAGE}index.html"))
        registry.on(f"/content{PAGE}index.html", answer(401))
        assert look(at(registry)) == Probe(
            "unservable",
            "status code 302, a redirect to /content/simple/, outside the index, where the proxy sends no "
            "credential, and the registry answers 401 without it; to send it there, declare that URL as "
            "addressExtensions files",
        )


@pytest.mark.parametrize("to", ["/other/simple/", "/other/simple", "/other/simple/index.html"])
def test_the_place_of_the_index_is_named_and_nothing_above_it(to: str) -> None:
    with Registry() as registry:
        registry.on("*", answer(404))
        registry.on(INDEX, answer(302, Location=to))
        registry.on(to, answer(401))
        assert "a redirect to /other/simple/, outside the index" in look(at(registry)).detail


@pytest.mark.parametrize("folder", ["/canary-password/x", "/canary%2Dpassword", "/robot", "/x" * 150])
def test_a_place_with_the_credential_in_it_is_not_named(folder: str) -> None:
    with Registry() as registry:
        registry.on("*", answer(302, Location=f"{folder}{PAGE}"))
        registry.on(f"{folder}{PAGE}", answer(403))
        seen = look(at(registry))
    assert seen.outcome == "unservable"
    assert "a redirect to another place, outside the index" in seen.detail
    assert "robot" not in seen.detail


@pytest.mark.parametrize(
    ("of_index", "expected"),
    [(answer(200), "ok"), (answer(404), "unservable"), (answer(401), "refused"), (answer(500), "unservable")],
)
def test_a_place_that_does_not_know_the_probed_package_leaves_the_index_to_decide(
    of_index: Script, expected: str
) -> None:
    with Registry() as registry:
        registry.on(PAGE, answer(302, Location=f"/content{PAGE}"))
        registry.on(f"/content{PAGE}", answer(404))
        registry.on(INDEX, of_index)
        assert look(at(registry)).outcome == expected


@pytest.mark.parametrize(
    "then", [f"/third{PAGE}", PAGE, f"/content{PAGE}", "https://other.test/", f"https://other.test{PAGE}"]
)
def test_a_second_redirect_is_not_followed(then: str) -> None:
    with Registry() as registry:
        registry.on("*", answer(404))
        registry.on(PAGE, answer(302, Location=f"/content{PAGE}"))
        registry.on(f"/content{PAGE}", answer(307, Location=then))
        assert look(at(registry)).outcome == "unexpected"
        assert [request.target for request in registry.requests] == [PAGE, f"/content{PAGE}", INDEX]


@pytest.mark.parametrize("climb", ["/content/../x", "/content/%2e%2e/x", "//content", "/a//x", "/%252e%252e"])
def test_a_place_that_climbs_is_not_asked(climb: str) -> None:
    with Registry() as registry:
        registry.on("*", answer(200))
        registry.on(PAGE, answer(302, Location=f"{registry.origin}{climb}{PAGE}"))
        registry.on(INDEX, answer(404))
        assert look(at(registry)) == Probe("unexpected", "status code 404")
        assert [request.target for request in registry.requests] == [PAGE, INDEX]


def test_a_redirect_to_plain_http_is_no_page() -> None:
    """The sidecar does not follow it either."""
    with Registry(server_context((HOST,))) as registry:
        registry.on("*", answer(302, Location=f"http://files.test{PAGE}"))
        seen = look(at(registry), ca_bundle=ca(), files="http://files.test")
        assert seen == Probe("unexpected", "status code 302")


@pytest.mark.parametrize("spelling", ["http://{}", "HTTP://{}", "http://user:password@{}", "https://{}"])
def test_a_redirect_to_http_of_the_own_host_is_of_the_registry_itself(spelling: str) -> None:
    """It is behind TLS termination, and does not know it. The sidecar asks for that page over TLS."""
    with Registry(server_context((HOST,))) as registry:
        own = spelling.format(f"{HOST}:{registry.port}")
        registry.on("*", answer(302, Location=f"{own}{PAGE.rstrip('/')}"))
        seen = look(at(registry), ca_bundle=ca())
        assert seen == Probe("ok", "status code 302, to the same page")
        registry.on("*", answer(302, Location=f"http://{HOST}:{registry.port + 1}{PAGE}"))
        assert look(at(registry), ca_bundle=ca()) == Probe("unexpected", "status code 302")


@pytest.mark.parametrize("spelling", ["http://{}", "https://{}", "//{}"])
def test_a_page_that_is_redirected_to_itself_is_no_page(spelling: str) -> None:
    """A registry that sends all http to https, and believes that it is reached by http."""
    with Registry(server_context((HOST,))) as registry:
        registry.on("*", answer(301, Location=spelling.format(f"{HOST}:{registry.port}") + PAGE))
        assert look(at(registry), ca_bundle=ca()) == Probe("unexpected", "status code 301")


def test_a_name_is_resolved_once_for_both_questions() -> None:
    """DNS rebinding: the second answer would be another address."""
    with Registry() as registry:
        registry.on(INDEX, answer(200))
        names = Names([LOOPBACK], ["169.254.169.254"])
        assert look(at(registry), resolve=names).outcome == "ok"
        assert names.asked == [(HOST, registry.port)]


@pytest.mark.parametrize(
    "addresses",
    [[LOOPBACK], ["::ffff:127.0.0.1"], ["10.0.0.1", LOOPBACK], [LOOPBACK, "10.0.0.1"], ["169.254.169.254"]],
)
def test_a_name_that_resolves_into_the_node_is_never_connected_to(addresses: Sequence[str]) -> None:
    with Registry() as registry:
        registry.on("*", answer(200))
        seen = look(at(registry), resolve=Names(addresses), is_loopback_allowed=False)
        assert seen.outcome == "unreachable"
        assert "no registry is asked there" in seen.detail
        assert registry.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "127.1", "2130706433", "0x7f000001"]
)
def test_no_way_to_write_loopback_leads_there(host: str) -> None:
    """With the system's own resolver, which knows more ways than this test."""
    with Registry() as registry:
        registry.on("*", answer(200))
        seen = look(at(registry, host), resolve=resolve_by_system, is_loopback_allowed=False)
        assert seen.outcome == "unreachable"
        assert "no registry is asked there" in seen.detail or "name" in seen.detail
        assert registry.connections == 0


def test_the_metadata_service_is_not_probed_on_a_laptop_either() -> None:
    seen = look("http://169.254.169.254")
    assert seen.detail == "169.254.169.254 is a link-local address: no registry is asked there"


def test_the_next_address_is_tried_where_nobody_listens_on_the_first() -> None:
    with Registry() as registry:
        registry.on("*", answer(200))
        assert look(at(registry), resolve=Names([NOT_LISTENING, LOOPBACK])).outcome == "ok"


def test_after_a_certificate_that_is_not_trusted_no_other_address_is_tried() -> None:
    with Registry(server_context((HOST,))) as registry:
        look(at(registry), resolve=Names([LOOPBACK, LOOPBACK]), ca_bundle=ca("another"))
        assert registry.connections == 1


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with Registry() as registry, Registry() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        registry.on("*", answer(200))
        assert look(at(registry)).outcome == "ok"
        assert proxy.connections == 0

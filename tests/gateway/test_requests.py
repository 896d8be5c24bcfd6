"""A gateway in front of a scripted registry: which connector, who asks, and what passes."""

from collections.abc import Mapping

import pytest

from support.certificates.authority import server_context
from support.servers.registry import Registry
from support.sidecars.gateways import HOST, PREFIX, TOKEN, Gateway, GatewayBroker, basic, token
from support.sidecars.running import AUTHORIZATION, grant, receive_all

WHEEL = "/files/foo-1.0-py3-none-any.whl"
PAGE = "/simple/foo/"


@pytest.fixture(autouse=True)
def _wheel(registry: Registry) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"wheel"))


def test_a_token_of_the_connector_gets_its_files(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    reply = gateway.ask_as(TOKEN, WHEEL, X_Forwarded_Host="evil.example", Cookie="a=b")
    assert (reply.status, reply.body) == (200, b"wheel")
    (request,) = registry.requests
    assert request.header("authorization") == AUTHORIZATION
    assert request.header("host") == registry.origin.removeprefix("https://")
    assert request.header("cookie") is None
    (asked,) = broker.asked()
    assert asked == {"connector": "team/pypi", "rejected": None, "enforces": ["packages"], "token": TOKEN}
    assert broker.requests[0].header("authorization") == "Bearer token-of-the-gateway"
    line = gateway.wait_line(message="request", action="file")
    assert (line["client"], line["connector"], line["status"]) == ("team/builder", "team/pypi", 200)
    assert TOKEN not in str(gateway.lines)


def test_the_connector_is_named_by_host_or_by_path(gateway: Gateway) -> None:
    assert gateway.ask_as(TOKEN, WHEEL, host="c-pypi.team:8080").body == b"wheel"
    assert gateway.ask_as(TOKEN, PREFIX + WHEEL, host="pypi.example").body == b"wheel"


@pytest.mark.parametrize(
    ("host", "target", "status"),
    [
        ("pypi.example", WHEEL, 404),
        ("c-other.team.svc", PREFIX + WHEEL, 421),
        ("pypi.example", PREFIX + "/../pypi" + WHEEL, 400),
        ("pypi.example", PREFIX + "/%2e%2e/pypi" + WHEEL, 400),
        (HOST, f"http://{HOST}{WHEEL}", 400),
    ],
)
def test_any_other_address_is_refused(
    registry: Registry, gateway: Gateway, host: str, target: str, status: int
) -> None:
    assert gateway.ask_as(TOKEN, target, host=host).status == status
    assert registry.requests == []


def test_two_hosts_are_refused(registry: Registry, gateway: Gateway) -> None:
    head = f"GET {WHEEL} HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\nAuthorization: {basic(TOKEN)}\r\n\r\n"
    with gateway.connect() as sock:
        sock.sendall(head.encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert registry.requests == []


@pytest.mark.parametrize("headers", [{"Origin": "https://x"}, {"Sec-Fetch-Mode": "cors"}])
def test_a_web_page_is_refused(registry: Registry, gateway: Gateway, headers: Mapping[str, str]) -> None:
    sent = {"Host": HOST, "Authorization": basic(TOKEN), **headers}
    assert gateway.ask("GET", WHEEL, sent).status == 403
    assert registry.requests == []


def test_the_token_is_a_bearer_too(gateway: Gateway) -> None:
    assert gateway.ask("GET", WHEEL, {"Host": HOST, "Authorization": f"Bearer {TOKEN}"}).body == b"wheel"


@pytest.mark.parametrize(
    ("presented", "reason"),
    [(None, "token-missing"), ("hunter2", "token-malformed"), (token(exp=1), "token-expired")],
)
def test_without_a_token_that_could_be_valid_it_is_401_and_nobody_is_asked(
    broker: GatewayBroker, gateway: Gateway, presented: str | None, reason: str
) -> None:
    reply = gateway.ask_as(presented, WHEEL)
    assert reply.status == 401
    assert (reply.header("www-authenticate") or "").startswith('Basic realm="')
    assert gateway.wait_line(message="request", status=401)["reason"] == reason
    assert broker.requests == []


def test_a_token_that_the_broker_refuses_is_401(broker: GatewayBroker, gateway: Gateway) -> None:
    reply = gateway.ask_as(token("team/other"), WHEEL)
    assert (reply.status, reply.reason) == (401, "no grant: the token is not valid")
    assert reply.header("www-authenticate")


@pytest.mark.parametrize("status", [403, 404])
def test_a_client_without_access_is_403(broker: GatewayBroker, gateway: Gateway, status: int) -> None:
    """Not 404 either: uv would look for the package in its next index."""
    problem = {"reason": "AccessDenied", "detail": "team/other may not get connectors/proxy pypi"}
    other = token("team/other")
    broker.allow("team/pypi", other, (status, problem))
    reply = gateway.ask_as(other, PAGE)
    assert (reply.status, reply.reason) == (403, "no grant: team/other may not get connectors/proxy pypi")
    assert gateway.wait_line(message="request", status=403)["reason"] == "AccessDenied"


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (403, {"reason": "GatewayPodUnknown", "detail": "no such Pod"}),
        # an older replica during a roll: it does not know the path
        (404, {"reason": "NotFound", "detail": "this server answers POST /v1/grants"}),
        # something else in the broker's place, which writes no problem documents
        (404, {}),
        (405, {}),
    ],
)
def test_what_is_no_decision_about_the_client_is_503(
    broker: GatewayBroker, gateway: Gateway, status: int, problem: dict[str, str]
) -> None:
    other = token("team/other")
    broker.allow("team/pypi", other, (status, problem))
    reply = gateway.ask_as(other, PAGE)
    assert reply.status == 503
    assert reply.header("retry-after")
    assert gateway.wait_line(message="request", status=503)["reason"] == "broker-unreachable"


def test_each_request_of_a_connection_is_judged_by_itself(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    """Another token, another connector, and no token, all on one connection."""
    with Registry(server_context()) as elsewhere:
        elsewhere.on("*", lambda call: call.reply(200, b"theirs"))
        theirs = token("other/builder")
        broker.allow("other/pypi", theirs, grant(elsewhere))
        other_host = "c-pypi.other.svc"
        asked = [
            (HOST, TOKEN, b"200", b"wheel"),
            (other_host, TOKEN, b"401", b"no grant"),
            (other_host, theirs, b"200", b"theirs"),
            (HOST, theirs, b"401", b"no grant"),
            (HOST, None, b"401", b"present a"),
            (HOST, TOKEN, b"200", b"wheel"),
        ]
        with gateway.connect() as sock:
            for host, presented, status, body in asked:
                line = f"Authorization: {basic(presented)}\r\n" if presented else ""
                sock.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: {host}\r\n{line}\r\n".encode())
                answer = b""
                while body not in answer:
                    answer += sock.recv(65536)
                assert answer.split(b" ")[1] == status


def test_an_upload_passes_and_one_without_the_right_does_not(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    registry.on("/upload/", lambda call: call.reply(200, b"thanks"))
    reader = token("team/reader")
    broker.allow("team/pypi", reader, grant(registry, upload_url=None))
    for target in ("/", "/legacy/", PREFIX, f"{PREFIX}/", f"{PREFIX}/legacy/"):
        reply = gateway.upload(b"hello", {"Host": HOST, "Authorization": basic(TOKEN)}, target)
        assert (reply.status, reply.body) == (200, b"thanks"), target
    reply = gateway.upload(b"hello", {"Host": HOST, "Authorization": basic(reader)})
    assert reply.status == 403
    assert len(registry.requests) == 5


def test_the_index_is_reached_by_a_redirect_below_the_prefix(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    broker.allow("team/pypi", TOKEN, grant(registry, index_url=f"{registry.origin}/repo/simple/"))
    assert gateway.ask_as(TOKEN, "/simple/foo/").header("location") == "/repo/simple/foo/"
    reply = gateway.ask_as(TOKEN, f"{PREFIX}/simple/foo/", host="ingress.example")
    assert reply.header("location") == f"{PREFIX}/repo/simple/foo/"


def test_no_cache_on_the_way_may_keep_an_answer(registry: Registry, gateway: Gateway) -> None:
    registry.on(WHEEL, lambda call: call.reply(200, b"", {"Cache-Control": "public, max-age=60, s-maxage=9"}))
    assert gateway.ask_as(TOKEN, WHEEL).header("cache-control") == "max-age=60, private"


def test_tls_serves_both_forms(gateway: Gateway) -> None:
    for host, target in ((HOST, WHEEL), (f"127.0.0.1:{gateway.https_port}", PREFIX + WHEEL)):
        with gateway.connect_tls() as sock:
            head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            sock.sendall(f"{head}Authorization: {basic(TOKEN)}\r\n\r\n".encode())
            assert receive_all(sock).endswith(b"wheel")


def test_a_file_that_only_a_page_vouches_for_is_found_in_both_forms(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    """A lock file names it, and nobody has read the page; what the page lists counts in each form."""
    outside = "/elsewhere/foo-1.0.tar.gz"
    page = f'<a href="{outside}">foo-1.0.tar.gz</a><a href="/elsewhere/foo-1.1.tar.gz">'.encode()
    registry.on("/a/simple/foo/", lambda call: call.reply(200, page, {"Content-Type": "text/html"}))
    registry.on(outside, lambda call: call.reply(200, b"file"))
    address = f"{registry.origin}/a/"
    broker.allow("team/pypi", TOKEN, grant(registry, index_url=f"{address}simple/", address=address))
    assert gateway.ask_as(TOKEN, PREFIX + outside, host="ingress.example").body == b"file"
    registry.on("/elsewhere/foo-1.1.tar.gz", lambda call: call.reply(200, b"next"))
    shown = gateway.ask_as(TOKEN, f"{PREFIX}/a/simple/foo/", host="ingress.example")
    assert f'href="{PREFIX}{outside}"'.encode() in shown.body
    asked = len(registry.requests)
    assert gateway.ask_as(TOKEN, "/elsewhere/foo-1.1.tar.gz").body == b"next"
    assert len(registry.requests) == asked + 1


def test_who_may_not_upload_hears_of_a_service_account(
    registry: Registry, broker: GatewayBroker, gateway: Gateway
) -> None:
    broker.allow("team/pypi", TOKEN, grant(registry, upload_url=None))
    reply = gateway.upload(b"hello", {"Host": HOST, "Authorization": basic(TOKEN)})
    assert (reply.status, "this ServiceAccount may not upload" in reply.reason) == (403, True)
    assert "this ServiceAccount may not upload" in gateway.wait_line(message="request", status=403)["detail"]

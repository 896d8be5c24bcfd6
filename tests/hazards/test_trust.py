"""The sidecar believes a registry's 401 slowly: what it refuses, what it retries, and how often at most."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from sidecar.contract.words import Code
from support.servers.accounts import Account, ColdRegistry, welcome
from support.servers.registry import Call, Registry
from support.sidecars.grant_servers import Broker
from support.sidecars.running import Sidecar, grant, running_sidecar, sidecar_of_broker
from support.sidecars.virtual_proxies import VirtualProxy, virtual_proxy

HOUR, QUARTER = 3600.0, 900.0


@pytest.fixture
def account(registry: Registry) -> Account:
    return Account(registry)


@pytest.fixture
def proxy(registry: Registry, account: Account) -> Iterator[VirtualProxy]:
    """Its credential has been accepted."""
    with virtual_proxy(registry) as found:
        assert found.get("/simple/warm/").status == 200
        yield found


def everything(path: str) -> bool:
    return True


def nothing(path: str) -> bool:
    return False


def page(name: object) -> str:
    return f"/simple/{name}/"


def hammer(proxy: VirtualProxy, seconds: float, step: float, packages: int = 50) -> None:
    """A client that comes again after each step, with another package each time, as `uv` with a long list."""
    numbers = count()
    until = proxy.clock.now + seconds
    while proxy.clock.now < until:
        assert proxy.get(page(f"p{next(numbers) % packages}")).status == 403
        proxy.clock.now += step


def test_a_401_for_one_package_refuses_that_one_only(proxy: VirtualProxy, account: Account) -> None:
    account.is_refused = lambda path: "bad" in path
    for number in range(5):
        reply = proxy.get(page("bad"))
        assert reply.status == 403
        assert "for others" in reply.reason
        assert proxy.get(page(f"good-{number}")).status == 200
    for _ in range(20):
        assert proxy.get(page("bad")).status == 403
    assert proxy.get(page("good")).status == 200


def test_one_package_that_is_refused_for_an_hour_is_tried_a_few_times(
    proxy: VirtualProxy, account: Account
) -> None:
    account.is_refused = lambda path: "bad" in path
    for _ in range(360):
        assert proxy.get(page("bad")).status == 403
        proxy.clock.now += HOUR / 360
    assert account.refused <= 7 + 5  # in the first quarter, and every ten minutes then
    assert proxy.get(page("good")).status == 200


def test_a_moments_401_is_tried_once_more_and_no_client_notices(
    proxy: VirtualProxy, account: Account
) -> None:
    answers = iter([True])
    account.is_refused = lambda path: next(answers, False)
    assert proxy.get(page("foo")).status == 200
    assert account.refused == 1


def test_a_registry_that_refuses_everything_for_a_moment_serves_again_within_fifteen_seconds(
    proxy: VirtualProxy, account: Account
) -> None:
    account.is_refused = everything
    for number in range(20):
        assert proxy.get(page(number)).status == 403
        proxy.clock.now += 0.2
    account.is_refused = nothing
    back = proxy.clock.now
    while proxy.get(page("foo")).status != 200:
        proxy.clock.now += 0.5
    assert proxy.clock.now - back < 15
    assert proxy.get(page("bar")).status == 200


def test_a_directory_that_is_away_for_two_minutes_costs_few_tries_and_ends_by_itself(
    proxy: VirtualProxy, account: Account
) -> None:
    account.is_refused = everything
    hammer(proxy, 120, 0.5)
    assert account.refused <= 3 + 3
    account.is_refused = nothing
    proxy.clock.now += 120
    assert [proxy.get(page(one)).status for one in range(5)] == [200] * 5


def test_a_password_that_is_really_wrong_is_tried_eight_times_in_a_quarter(
    proxy: VirtualProxy, account: Account
) -> None:
    account.is_refused = everything
    hammer(proxy, QUARTER - 1, 2)
    assert account.refused == 8
    hammer(proxy, HOUR - QUARTER, 10)
    assert account.refused <= 8 + 5


def test_one_that_was_never_accepted_is_tried_four_times_in_a_quarter(
    registry: Registry, account: Account
) -> None:
    account.is_refused = everything
    with virtual_proxy(registry) as proxy:
        hammer(proxy, QUARTER - 1, 2)
    assert account.refused == 4


def test_one_that_was_never_accepted_is_tried_seven_times_where_a_wrong_password_is_answered_403(
    registry: Registry,
) -> None:
    registry.on("*", lambda call: call.reply(403, b"no"))
    with virtual_proxy(registry) as proxy:
        hammer(proxy, QUARTER - 1, 2)
        assert len(registry.requests) == 7
        registry.on("*", welcome)
        proxy.clock.now += HOUR
        assert [proxy.get(page(number)).status for number in range(5)] == [200] * 5


def test_a_crowd_with_a_wrong_password_is_one_try(registry: Registry, account: Account) -> None:
    account.is_refused = everything
    with virtual_proxy(registry) as proxy, ThreadPoolExecutor(50) as clients:
        assert {one.status for one in clients.map(proxy.get, map(page, range(50)))} == {403}
    assert account.refused == 1


def test_uploads_keep_to_the_bound_too_and_none_is_sent_twice(
    proxy: VirtualProxy, account: Account, registry: Registry
) -> None:
    assert proxy.post("/").status == 200
    account.is_refused = everything
    until = proxy.clock.now + QUARTER - 1
    asked = 0
    while proxy.clock.now < until:
        assert proxy.post("/").status == 403
        asked += 1
        proxy.clock.now += 5
    assert account.refused == 8 < asked
    assert proxy.get(page("foo")).status == 403  # of another action
    account.is_refused = nothing
    proxy.clock.now += 600
    assert proxy.post("/").status == 200


def test_a_cold_burst_of_fifty_of_which_some_are_refused_is_served_whole(
    registry: Registry, tmp_path: Path
) -> None:
    cold = ColdRegistry(registry)
    with running_sidecar(tmp_path, grant(registry)) as sidecar, ThreadPoolExecutor(50) as clients:
        cold.is_full.set()
        sidecar.get(page("warm"))
        cold.is_full.clear()
        statuses = list(clients.map(lambda one: sidecar.get(page(one)).status, range(50)))
    assert statuses == [200] * 50
    assert cold.refused >= 3


def test_a_secret_that_is_corrected_while_the_credential_rests_serves_within_ten_seconds(
    proxy: VirtualProxy, account: Account, registry: Registry
) -> None:
    account.is_refused = everything
    hammer(proxy, 600, 5)
    proxy.grants.append(proxy.grants[0]._replace(version="v2"))
    account.is_refused = nothing
    begun = proxy.clock.now
    while proxy.get(page("foo")).status != 200:
        proxy.clock.now += 0.5
    assert proxy.clock.now - begun <= 10
    assert proxy.asked[-1] == ("v1", Code.CREDENTIAL_RESTS)


def test_the_broker_is_asked_seldom_however_often_clients_come(proxy: VirtualProxy, account: Account) -> None:
    account.is_refused = everything
    hammer(proxy, 60, 0.1)
    assert len(proxy.asked) <= 2 + 60 / 8 + 3
    assert {cause for _, cause in proxy.asked[1:]} <= {Code.REQUEST_REFUSED, Code.CREDENTIAL_RESTS}


def test_which_it_is_stands_in_the_answer_and_in_the_log(registry: Registry, tmp_path: Path) -> None:
    account = Account(registry)
    account.is_refused = everything
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        reply = sidecar.get(page("foo"))
        assert "correct the Secret that it names" in reply.reason
        assert "tried again in 30 s" in reply.reason
        sidecar.wait_line(message="request", reason=Code.CREDENTIAL_REFUSED, package="foo")
        assert broker.asked()[1]["cause"] == Code.CREDENTIAL_REFUSED
    account.is_refused = nothing
    with Broker(grant(registry)) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        assert sidecar.get(page("foo")).status == 200
        account.is_refused = everything
        assert "accepted the credential" in sidecar.get(page("foo")).reason
        sidecar.wait_line(message="request", reason=Code.REQUEST_REFUSED, package="foo")
        assert "which it accepted before" in sidecar.get(page("bar")).reason
        sidecar.wait_line(message="request", reason=Code.CREDENTIAL_RESTS, package="bar")
        sidecar.wait_line(message=Code.CREDENTIAL_RESTS, action="install", version="v1")


def test_an_upload_that_is_refused_while_a_newer_credential_has_come_is_asked_for_again(
    registry: Registry, tmp_path: Path
) -> None:
    answers = iter([200, 401, 200])
    registry.on("/upload/", lambda call: call.reply(next(answers)))
    newer = grant(registry, version="v2")
    with Broker(grant(registry), newer) as broker, sidecar_of_broker(tmp_path, broker) as sidecar:
        first, second, third = (sidecar.upload(b"x") for _ in range(3))
        assert (first.status, second.status, third.status) == (200, 503, 200)
        assert second.header("retry-after") == "1"
    assert len(registry.seen("/upload/")) == 3


def test_a_client_that_leaves_at_once_does_not_hide_how_often_the_account_is_tried(
    proxy: VirtualProxy, account: Account, registry: Registry
) -> None:
    """It never reads its 401, so nobody would know that there was one."""

    def slow(call: Call) -> None:
        call.wait_gone(0.3)
        account._answer(call)

    account.is_refused = everything
    registry.on("*", slow)
    before = len(registry.requests)
    for number in range(60):
        with pytest.raises(TimeoutError):
            impatient(proxy, page(number))
    assert 1 <= len(registry.requests) - before <= 3 + 3


def impatient(proxy: VirtualProxy, path: str) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        sock.settimeout(0.05)
        sock.recv(1)
        raise TimeoutError  # it was answered, which is as good


def test_run_keeps_to_the_same_rules(registry: Registry, account: Account, tmp_path: Path) -> None:
    with running_sidecar(tmp_path, grant(registry)) as sidecar:
        assert sidecar.get(page("foo")).status == 200
        account.is_refused = lambda path: "bad" in path
        assert [bad_and_good(sidecar, number) for number in range(4)] == [(403, 200)] * 4
        account.is_refused = everything
        assert [sidecar.get(page(one)).status for one in range(20)] == [403] * 20
    assert account.refused <= 4 * 2 + 3


def bad_and_good(sidecar: Sidecar, number: int) -> tuple[int, int]:
    return sidecar.get(page("bad")).status, sidecar.get(page(f"good-{number}")).status

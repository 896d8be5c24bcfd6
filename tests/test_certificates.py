"""The keeper of certificates against an API in memory that fails, forgets and is changed at chosen moments.

The same against the real API server: tests/api/test_certificates.py.
"""

import asyncio
import base64
import copy
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.verification import PolicyBuilder, Store

from certs import store, succession
from certs.authority import split_bundle
from certs.errors import UnsupportedKey
from webhook import names, paths
from webhook.api import REQUEST_SECONDS, PatchKind
from webhook.certificates import FIRST_PAUSE_SECONDS, LOOK_SECONDS, CertificateKeeper
from webhook.errors import ClusterUnavailable, Conflict, Forbidden, NotFound

NAMESPACE = "where-it-is-installed"
NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CONFIGURATION = paths.webhook_configuration(names.WEBHOOK_CONFIGURATION)
CA, ADMISSION, BROKER = (
    paths.secret(NAMESPACE, name)
    for name in (names.CA_SECRET, names.ADMISSION_TLS_SECRET, names.BROKER_TLS_SECRET)
)

RSA_KEY = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    .decode()
)

Json = dict[str, Any]


class MemoryApi:
    """Implements `webhook.api.Api` on a dict: what the keeper needs of it, with versions and conflicts."""

    def __init__(self, *, configuration: bool = True, seed: int | None = None) -> None:
        self.objects: dict[str, Json] = {}
        self.calls: list[tuple[str, str]] = []
        self.fails: dict[tuple[str, str], Exception] = {}
        """By verb and path"""
        self.before: Callable[[str, str], None] = lambda _verb, _path: None
        """Called at each call, before anything is done: the moment at which others act"""
        self._random = random.Random(seed) if seed is not None else None
        self._version = 0
        if configuration:
            self.put(
                CONFIGURATION, configuration_of("pods.connectors.alauda.io", "more.connectors.alauda.io")
            )

    def put(self, path: str, one: Mapping[str, Any]) -> Json:
        self._version += 1
        stored = copy.deepcopy(dict(one))
        stored["metadata"] = {**stored["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = stored
        return copy.deepcopy(stored)

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] != "get"]

    async def get(self, path: str, *, seconds: float = REQUEST_SECONDS) -> Json | None:
        await self._enter("get", path)
        return copy.deepcopy(self.objects.get(path))

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        path = f"{path}/{body['metadata']['name']}"
        await self._enter("create", path)
        if path in self.objects:
            raise Conflict(f"{path} already exists")
        return self.put(path, body)

    async def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        await self._enter("replace", path)
        self._check(path, body)
        return self.put(path, body)

    async def patch(self, path: str, body: object, kind: PatchKind = "merge") -> Json:
        await self._enter("patch", path)
        assert kind == "strategic"
        assert isinstance(body, dict)
        stored = self._check(path, body)
        by_name = {hook["name"]: hook for hook in stored["webhooks"]}
        for hook in body["webhooks"]:
            by_name[hook["name"]]["clientConfig"] |= hook["clientConfig"]
        return self.put(path, stored)

    def _check(self, path: str, body: Mapping[str, Any]) -> Json:
        if path not in self.objects:
            raise NotFound(f"{path} not found")
        if body["metadata"]["resourceVersion"] != self.objects[path]["metadata"]["resourceVersion"]:
            raise Conflict(f"{path} has been modified")
        return copy.deepcopy(self.objects[path])

    async def _enter(self, verb: str, path: str) -> None:
        for _ in range(self._random.randrange(4) if self._random else 1):
            await asyncio.sleep(0)  # replicas overtake each other
        self.calls.append((verb, path))
        self.before(verb, path)
        if (verb, path) in self.fails:
            raise self.fails[verb, path]

    async def list(self, path: str, **query: str) -> Json:
        raise AssertionError("no list of Secrets")

    async def text(self, path: str, **query: str) -> str:
        raise AssertionError

    def watch(self, path: str, **query: str) -> AsyncIterator[Json]:
        raise AssertionError("no watch of Secrets")


def configuration_of(*hooks: str) -> Json:
    entries = [{"name": hook, "clientConfig": {"service": {"name": names.ADMISSION}}} for hook in hooks]
    return {"metadata": {"name": names.WEBHOOK_CONFIGURATION}, "webhooks": entries}


class Clock:
    """Time that passes while the keeper sleeps, and a way to stop it after some looks."""

    def __init__(self, *, looks: int = 1000) -> None:
        self.now = NOW
        self.pauses: list[float] = []
        self.at_pause: dict[int, Callable[[], object]] = {}
        self._looks = looks

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.at_pause.get(len(self.pauses), lambda: None)()
        if len(self.pauses) >= self._looks:
            raise asyncio.CancelledError


def keeper_of(
    api: MemoryApi, directory: Path, clock: Clock | None = None, **options: Any
) -> CertificateKeeper:
    clock = clock or Clock()
    return CertificateKeeper(
        api, namespace=NAMESPACE, directory=directory, now=lambda: clock.now, pause=clock.sleep, **options
    )


def ensure(api: MemoryApi, directory: Path, clock: Clock | None = None) -> CertificateKeeper:
    keeper = keeper_of(api, directory, clock)
    asyncio.run(keeper.ensure())
    return keeper


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Until the clock stops it."""

    async def stopped() -> None:
        with pytest.raises(asyncio.CancelledError):
            await coroutine

    asyncio.run(stopped())


def files_in(api: MemoryApi, path: str) -> dict[str, str]:
    return store.read_texts(api.objects[path])


def ca_bundles(api: MemoryApi) -> list[str]:
    hooks = api.objects[CONFIGURATION]["webhooks"]
    return [base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode() for hook in hooks]


def verify(leaf: str, bundle: str, host: str, now: datetime = NOW) -> None:
    store_ = Store(x509.load_pem_x509_certificates(bundle.encode()))
    verifier = PolicyBuilder().store(store_).time(now).build_server_verifier(x509.DNSName(host))
    verifier.verify(x509.load_pem_x509_certificate(leaf.encode()), [])


# -- from nothing


def test_from_nothing_everything_is_made_and_each_who_verifies_can(tmp_path: Path) -> None:
    api = MemoryApi()
    keeper = ensure(api, tmp_path)
    for path, service in ((ADMISSION, names.ADMISSION), (BROKER, names.BROKER)):
        for bundle in [*ca_bundles(api), *(files_in(api, one)[store.BUNDLE] for one in (ADMISSION, BROKER))]:
            verify(files_in(api, path)[store.CERTIFICATE], bundle, f"{service}.{NAMESPACE}.svc")
        assert api.objects[path]["type"] == "kubernetes.io/tls"
    assert store.texts_of(store.read_files(tmp_path)) == files_in(api, BROKER)
    assert [one.strip() for one in keeper.bundle] == list(split_bundle(files_in(api, CA)[store.BUNDLE]))
    assert succession.NEXT_KEY not in files_in(api, CA)


def test_nothing_is_served_before_everybody_believes_its_authority(tmp_path: Path) -> None:
    api = MemoryApi()
    served: list[bool] = []
    api.before = lambda _verb, _path: served.append((tmp_path / "tls.crt").exists())
    ensure(api, tmp_path)
    written = [("create", CA), ("patch", CONFIGURATION), ("create", ADMISSION), ("create", BROKER)]
    assert api.writes == written
    assert not any(served)
    assert (tmp_path / "tls.crt").exists()


def test_what_is_in_order_costs_four_reads_and_no_write(tmp_path: Path) -> None:
    api = MemoryApi()
    keeper = ensure(api, tmp_path)
    written = (tmp_path / "tls.crt").stat().st_mtime_ns
    api.calls.clear()
    asyncio.run(keeper.ensure())
    assert sorted(api.calls) == sorted(("get", one) for one in (CA, ADMISSION, BROKER, CONFIGURATION))
    assert (tmp_path / "tls.crt").stat().st_mtime_ns == written


def test_a_restarted_replica_writes_its_files_and_nothing_else(tmp_path: Path) -> None:
    api = MemoryApi()
    ensure(api, tmp_path / "before")
    api.calls.clear()
    ensure(api, tmp_path / "after")
    assert api.writes == []
    assert store.read_files(tmp_path / "before") == store.read_files(tmp_path / "after")


@pytest.mark.parametrize("seed", range(20))
def test_ten_replicas_that_start_at_once_end_with_one_authority(tmp_path: Path, seed: int) -> None:
    api = MemoryApi(seed=seed)
    keepers = [keeper_of(api, tmp_path / str(number)) for number in range(10)]

    async def race() -> None:
        await asyncio.gather(*(keeper.ensure() for keeper in keepers))

    asyncio.run(race())
    assert len({keeper.bundle for keeper in keepers}) == 1
    assert len(keepers[0].bundle) == 1
    served = {(tmp_path / str(number) / "tls.crt").read_text() for number in range(10)}
    assert served == {files_in(api, BROKER)[store.CERTIFICATE]}
    assert set(ca_bundles(api)) == {files_in(api, CA)[store.BUNDLE]}
    verify(*served, ca_bundles(api)[0], names.BROKER)


# -- what others do


@pytest.mark.parametrize("path", [ADMISSION, BROKER], ids=["admission", "broker"])
def test_a_deleted_leaf_is_replaced(tmp_path: Path, path: str) -> None:
    api = MemoryApi()
    keeper = ensure(api, tmp_path)
    before = copy.deepcopy(api.objects)
    del api.objects[path]
    asyncio.run(keeper.ensure())
    assert files_in(api, path)[store.CERTIFICATE] != store.read_texts(before.pop(path))[store.CERTIFICATE]
    assert {one: api.objects[one] for one in before} == before
    assert (tmp_path / "tls.crt").read_text() == files_in(api, BROKER)[store.CERTIFICATE]


def test_a_lost_authority_joins_the_bundles_and_signs_a_month_later(tmp_path: Path) -> None:
    api, clock = MemoryApi(), Clock()
    keeper = ensure(api, tmp_path, clock)
    leaf, (old,) = files_in(api, BROKER)[store.CERTIFICATE], keeper.bundle
    del api.objects[CA]
    asyncio.run(keeper.ensure())
    assert files_in(api, BROKER)[store.CERTIFICATE] == leaf
    assert keeper.bundle[1:] == (old,)
    new = keeper.bundle[0]
    for bundle in [*ca_bundles(api), files_in(api, ADMISSION)[store.BUNDLE]]:
        assert split_bundle(bundle) == (new.strip(), old.strip())
    clock.now += 30 * DAY
    asyncio.run(keeper.ensure())
    assert files_in(api, BROKER)[store.CERTIFICATE] != leaf
    verify(files_in(api, BROKER)[store.CERTIFICATE], new, names.BROKER, clock.now)
    assert (tmp_path / "tls.crt").read_text() == files_in(api, BROKER)[store.CERTIFICATE]


def test_a_new_authority_reaches_every_bundle_before_its_leaf_is_served(tmp_path: Path) -> None:
    api = MemoryApi()
    keeper = ensure(api, tmp_path)
    for path in (CA, ADMISSION, BROKER):
        del api.objects[path]  # the way out after a theft
    api.calls.clear()
    asyncio.run(keeper.ensure())
    assert api.writes == [("create", CA), ("patch", CONFIGURATION), ("create", ADMISSION), ("create", BROKER)]


def test_a_change_in_between_is_seen_and_kept(tmp_path: Path) -> None:
    """Another replica, or somebody's label, at the worst moment: between reading and writing."""
    api = MemoryApi()
    ensure(api, tmp_path)
    damaged = copy.deepcopy(api.objects[ADMISSION])
    damaged["data"][store.KEY] = base64.b64encode(b"oops").decode()
    api.put(ADMISSION, damaged)

    def label(verb: str, path: str) -> None:
        if (verb, path) == ("replace", ADMISSION):
            api.before = lambda _verb, _path: None
            labelled = copy.deepcopy(damaged)
            labelled["metadata"]["labels"] = {"team": "theirs"}
            labelled["data"]["theirs"] = "dGhlaXJz"
            api.put(ADMISSION, labelled)

    api.before = label
    ensure(api, tmp_path)
    assert api.objects[ADMISSION]["metadata"]["labels"] == {"team": "theirs"}
    assert files_in(api, ADMISSION)["theirs"] == "theirs"
    verify(files_in(api, ADMISSION)[store.CERTIFICATE], ca_bundles(api)[0], names.ADMISSION)


@pytest.mark.parametrize("verb", ["replace", "patch"])
def test_what_is_deleted_in_between_is_made_again_or_missed(tmp_path: Path, verb: str) -> None:
    api = MemoryApi()
    ensure(api, tmp_path)
    path = ADMISSION if verb == "replace" else CONFIGURATION
    api.put(ADMISSION, {**api.objects[ADMISSION], "data": {}})
    api.put(CONFIGURATION, configuration_of("pods.connectors.alauda.io"))

    def delete(called: str, at: str) -> None:
        if (called, at) == (verb, path):
            api.objects.pop(path, None)

    api.before = delete
    ensure(api, tmp_path)
    assert store.CERTIFICATE in files_in(api, ADMISSION)


def test_whoever_changes_it_at_every_attempt_wins_for_now(tmp_path: Path) -> None:
    api = MemoryApi()
    api.fails[("patch", CONFIGURATION)] = Conflict("has been modified")
    with pytest.raises(Conflict):
        ensure(api, tmp_path)
    assert api.calls.count(("patch", CONFIGURATION)) == 10
    assert not {ADMISSION, BROKER} & api.objects.keys()


def test_the_bundle_is_set_where_it_differs_and_nothing_else_is_touched(tmp_path: Path) -> None:
    api = MemoryApi()
    keeper = ensure(api, tmp_path)
    applied = configuration_of("pods.connectors.alauda.io", "theirs.example.com", "more.connectors.alauda.io")
    applied["webhooks"][0]["clientConfig"]["caBundle"] = "b2xk"
    applied["webhooks"][1]["timeoutSeconds"] = 7
    api.put(CONFIGURATION, applied)
    asyncio.run(keeper.ensure())
    assert set(ca_bundles(api)) == {files_in(api, CA)[store.BUNDLE]}
    for hook in api.objects[CONFIGURATION]["webhooks"]:
        hook["clientConfig"].pop("caBundle")
    applied["webhooks"][0]["clientConfig"].pop("caBundle")
    assert api.objects[CONFIGURATION]["webhooks"] == applied["webhooks"]


def test_pods_are_judged_by_authorities_that_are_announced_later_and_that_have_ended(tmp_path: Path) -> None:
    api, clock = MemoryApi(), Clock()
    keeper = ensure(api, tmp_path, clock)
    (first,) = keeper.bundle
    clock.now += 5 * 365 * DAY
    asyncio.run(keeper.ensure())
    assert (len(keeper.bundle), len(split_bundle(ca_bundles(api)[0]))) == (2, 1)
    for year in (9.9, 10.1):
        clock.now = NOW + year * 365 * DAY
        asyncio.run(keeper.ensure())
    assert first in keeper.bundle
    assert first not in ca_bundles(api)[0]


# -- what fails


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    mine = [record for record in caplog.records if record.name == "webhook.certificates"]
    return [(one.message, getattr(one, "cause", "")) for one in mine if one.message != "certificates written"]


def test_a_missing_configuration_is_a_warning_and_looked_for_soon(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api, clock = MemoryApi(configuration=False), Clock(looks=5)
    clock.at_pause[3] = lambda: api.put(CONFIGURATION, configuration_of("pods.connectors.alauda.io"))
    keeper = keeper_of(api, tmp_path, clock)
    run(keeper.run())
    assert set(ca_bundles(api)) == {files_in(api, CA)[store.BUNDLE]}
    assert sum(clock.pauses[:3]) < 10
    assert clock.pauses[3] >= 0.75 * LOOK_SECONDS
    (warning, sentence), *others = logged(caplog)
    assert warning == "certificates not kept"
    assert sentence.startswith("there is no MutatingWebhookConfiguration pypi-connector: no Pod is injected")
    assert others == [("caBundle written", ""), ("certificates kept again", "")]


def test_a_leaf_is_renewed_though_the_configuration_may_not_be_changed(tmp_path: Path) -> None:
    api = MemoryApi()
    api.fails[("patch", CONFIGURATION)] = Forbidden("it may not patch")
    keeper = keeper_of(api, tmp_path)
    with pytest.raises(Forbidden):
        asyncio.run(keeper.ensure())
    assert keeper.is_ready
    assert {CA, ADMISSION, BROKER} < api.objects.keys()


@pytest.mark.parametrize("path", [CONFIGURATION, CA], ids=["configuration", "authority"])
def test_while_the_cluster_does_not_answer_no_leaf_is_changed(tmp_path: Path, path: str) -> None:
    """Its authority might be news to somebody."""
    api = MemoryApi()
    for verb in ("patch", "create"):
        api.fails[(verb, path)] = ClusterUnavailable("no answer")
    keeper = keeper_of(api, tmp_path)
    with pytest.raises(ClusterUnavailable):
        asyncio.run(keeper.ensure())
    assert not keeper.is_ready
    assert not {ADMISSION, BROKER} & api.objects.keys()


def test_a_refused_leaf_does_not_keep_the_other_from_being_made(tmp_path: Path) -> None:
    api = MemoryApi()
    api.fails[("create", ADMISSION)] = Forbidden("it may not create")
    keeper = keeper_of(api, tmp_path)
    with pytest.raises(Forbidden):
        asyncio.run(keeper.ensure())
    assert keeper.is_ready


def test_a_start_goes_on_until_it_succeeds_and_each_cause_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api, clock = MemoryApi(), Clock()
    api.fails[("get", CA)] = ClusterUnavailable("no answer")
    clock.at_pause[12] = lambda: api.fails.update({("get", CA): Forbidden("may not get")})
    clock.at_pause[15] = api.fails.clear
    keeper = keeper_of(api, tmp_path, clock)
    asyncio.run(keeper.start())
    assert keeper.is_ready
    assert len(clock.pauses) == 15
    assert clock.pauses[0] <= FIRST_PAUSE_SECONDS
    assert all(pause <= 1.25 * LOOK_SECONDS for pause in clock.pauses)
    assert clock.pauses[9] > 20
    assert logged(caplog) == [
        ("certificates not kept", "no answer"),
        ("certificates not kept", "may not get"),
        ("caBundle written", ""),
        ("certificates kept again", ""),
    ]


def test_a_start_does_not_wait_for_what_can_come_later(tmp_path: Path) -> None:
    api, clock = MemoryApi(), Clock()
    api.fails[("get", CONFIGURATION)] = Forbidden("may not get")
    asyncio.run(keeper_of(api, tmp_path, clock).start())
    assert clock.pauses == []


def test_looks_go_on_for_years_at_a_jittered_minute(tmp_path: Path) -> None:
    api, clock = MemoryApi(), Clock(looks=400)
    sleep = clock.sleep

    async def sleep_longer(seconds: float) -> None:
        clock.now += 20 * DAY
        await sleep(seconds)

    keeper = CertificateKeeper(
        api, namespace=NAMESPACE, directory=tmp_path, now=lambda: clock.now, pause=sleep_longer
    )
    run(keeper.run())
    assert clock.now - NOW > 20 * timedelta(days=365)
    verify((tmp_path / "tls.crt").read_text(), ca_bundles(api)[0], names.BROKER, clock.now - 20 * DAY)
    renewals = 22 * 365 / 55
    assert len(api.writes) < 2 * renewals + 20
    assert 0.75 * LOOK_SECONDS <= min(clock.pauses) < max(clock.pauses) <= 1.25 * LOOK_SECONDS
    assert len(set(clock.pauses)) > 350


def test_a_directory_that_cannot_be_written_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    clock = Clock(looks=3)
    run(keeper_of(MemoryApi(), tmp_path / "file" / "tls", clock).start())
    assert logged(caplog)[-1] == (
        "certificates not kept",
        f"{tmp_path / 'file' / 'tls'} cannot be written: Not a directory",
    )


def test_a_fault_of_ours_does_not_end_it_and_its_text_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api, clock = MemoryApi(), Clock(looks=5)
    api.fails[("get", BROKER)] = RuntimeError("-----BEGIN PRIVATE KEY-----")
    clock.at_pause[4] = api.fails.clear
    keeper = keeper_of(api, tmp_path, clock)
    run(keeper.run())
    assert keeper.is_ready
    (message, cause), *_ = logged(caplog)
    assert message == "certificates not kept"
    assert cause.startswith("unexpected RuntimeError at test_certificates.py:")


def test_a_clock_that_is_behind_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    api = MemoryApi()
    ensure(api, tmp_path)
    before, clock = copy.deepcopy(api.objects), Clock(looks=2)
    clock.now -= 300 * DAY
    run(keeper_of(api, tmp_path / "other", clock).run())
    assert api.objects == before
    assert "set this node's clock" in logged(caplog)[-1][1]


# -- what must not be seen


def test_no_key_is_in_a_log_or_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, through making, succession, damage, conflict, refusal and a fault of ours."""
    caplog.set_level(logging.DEBUG)
    api, clock = MemoryApi(), Clock(looks=60)
    texts: list[str] = []

    def harm(path: str, key: str, text: str) -> Callable[[], object]:
        return lambda: api.put(
            path,
            store.with_texts(api.objects[path], {key: text}, name="unused", namespace="unused"),
        )

    seen: set[str] = set()

    def collect(_verb: str, _path: str) -> None:
        for one in api.objects.values():
            seen.update(text for key, text in store.read_texts(one).items() if key.endswith(".key"))

    api.before = collect
    half = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n"
    clock.at_pause = {
        2: harm(CA, store.KEY, half),
        4: harm(BROKER, store.KEY, half),
        6: lambda: setattr(clock, "now", clock.now + 6 * 365 * DAY),
        8: harm(CA, succession.NEXT_KEY, half),
        10: harm(CA, store.KEY, half),
        12: harm(CA, store.BUNDLE, half),
        14: lambda: api.fails.update({("replace", BROKER): Conflict("changed")}),
        15: harm(BROKER, store.KEY, half),
        17: api.fails.clear,
        19: harm(CA, store.KEY, RSA_KEY),
    }
    keeper = keeper_of(api, tmp_path, clock)
    run(keeper.run())
    with pytest.raises(UnsupportedKey) as caught:
        asyncio.run(keeper.ensure())
    texts += [str(vars(record)) for record in caplog.records] + [repr(caught.value), repr(vars(keeper))]
    lines = {line for key in [*seen, half, RSA_KEY] for line in key.splitlines() if "-----" not in line}
    assert len(seen) > 6
    assert len(lines) > 20
    assert any("not thrown away" in text for text in texts)
    assert [line for line in lines if any(line in text for text in texts)] == []
    encoded = {base64.b64encode(key.encode()).decode()[40:80] for key in seen}
    assert [part for part in encoded if any(part in text for text in texts)] == []

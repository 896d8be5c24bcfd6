"""The keeper of certificates during failures: the steps that it takes all the same, and its log."""

import asyncio
import base64
import copy
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from certs import store, succession
from certs.errors import UnsupportedKey
from support.components.certificate_keepers import (
    ADMISSION,
    BROKER,
    CA,
    CONFIGURATION,
    DAY,
    GATEWAY,
    NAMESPACE,
    NOW,
    Clock,
    MemoryApi,
    ca_bundles,
    configuration_of,
    ensure,
    files_in,
    keeper_of,
    run,
    verify,
)
from webhook import names
from webhook.cluster.certificate_keeper import FIRST_PAUSE_SECONDS, LOOK_SECONDS, CertificateKeeper
from webhook.errors import ClusterUnavailable, Conflict, Forbidden

# -- failures


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    mine = [record for record in caplog.records if record.name == "webhook.cluster.certificate_keeper"]
    return [
        (record.message, getattr(record, "cause", ""))
        for record in mine
        if record.message != "certificates written"
    ]


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


def test_a_missing_configuration_is_named_and_stops_nothing_else(tmp_path: Path) -> None:
    api = MemoryApi(configuration=False)
    keeper = keeper_of(api, tmp_path)
    missing = asyncio.run(keeper.ensure())
    assert missing.startswith("there is no MutatingWebhookConfiguration")
    assert {CA, ADMISSION, BROKER, GATEWAY} == api.objects.keys()
    api.put(CONFIGURATION, configuration_of("pods.connectors.alauda.io"))
    assert asyncio.run(keeper.ensure()) == ""


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
    """Some clients may not know its authority yet."""
    api = MemoryApi()
    for verb in ("patch", "create"):
        api.fails[(verb, path)] = ClusterUnavailable("no answer")
    keeper = keeper_of(api, tmp_path)
    with pytest.raises(ClusterUnavailable):
        asyncio.run(keeper.ensure())
    assert not keeper.is_ready
    assert not {ADMISSION, BROKER, GATEWAY} & api.objects.keys()


def test_a_refused_leaf_does_not_prevent_the_other(tmp_path: Path) -> None:
    api = MemoryApi()
    api.fails[("create", ADMISSION)] = Forbidden("it may not create")
    keeper = keeper_of(api, tmp_path)
    with pytest.raises(Forbidden):
        asyncio.run(keeper.ensure())
    assert keeper.is_ready


@pytest.mark.parametrize("verb", ["get", "create"])
def test_a_right_that_is_missing_for_the_gateway_ends_no_other_leaf(tmp_path: Path, verb: str) -> None:
    """The Role of an earlier release does not name its Secret."""
    api = MemoryApi()
    api.fails[(verb, GATEWAY)] = Forbidden("may not")
    keeper = keeper_of(api, tmp_path)
    with pytest.raises(Forbidden):
        asyncio.run(keeper.ensure())
    assert keeper.is_ready
    assert {CA, ADMISSION, BROKER} < api.objects.keys()
    assert set(ca_bundles(api)) == {files_in(api, CA)[store.BUNDLE]}


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


def test_a_start_does_not_wait_for_the_configuration(tmp_path: Path) -> None:
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
    assert len(api.writes) < 3 * renewals + 20
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
    assert re.match(r"unexpected RuntimeError at \S+/certificate_keepers\.py:\d+", cause)


def test_a_clock_that_is_behind_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    api = MemoryApi()
    ensure(api, tmp_path)
    before, clock = copy.deepcopy(api.objects), Clock(looks=2)
    clock.now -= 300 * DAY
    run(keeper_of(api, tmp_path / "other", clock).run())
    assert api.objects == before
    assert "set this node's clock" in logged(caplog)[-1][1]


# -- private keys


RSA_KEY = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    .decode()
)


def test_no_key_is_in_a_log_or_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, through creation, succession, damage, conflict, refusal and a fault of ours."""
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
        for manifest in api.objects.values():
            seen.update(text for key, text in store.read_texts(manifest).items() if key.endswith(".key"))

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

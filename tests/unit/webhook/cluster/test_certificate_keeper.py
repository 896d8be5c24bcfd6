"""The keeper of certificates, in an empty cluster and while other writers change and delete its objects.

The same against the real API server: tests/api/test_certificates.py.
"""

import asyncio
import base64
import copy
from pathlib import Path

import pytest

from certs import store, succession
from certs.bundle import split_bundle
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
    verify,
)
from webhook import names
from webhook.errors import Conflict

# -- from nothing


def test_from_nothing_everything_is_created_and_every_client_can_verify(tmp_path: Path) -> None:
    api = MemoryApi()
    keeper = ensure(api, tmp_path)
    leaves = {ADMISSION: names.ADMISSION, BROKER: names.BROKER, GATEWAY: names.GATEWAY}
    for path, service in leaves.items():
        for bundle in [
            *ca_bundles(api),
            *(files_in(api, path)[store.BUNDLE] for path in leaves),
        ]:
            verify(files_in(api, path)[store.CERTIFICATE], bundle, f"{service}.{NAMESPACE}.svc")
        assert api.objects[path]["type"] == "kubernetes.io/tls"
    assert store.texts_of(store.read_files(tmp_path)) == files_in(api, BROKER)
    assert [certificate.strip() for certificate in keeper.bundle] == list(
        split_bundle(files_in(api, CA)[store.BUNDLE])
    )
    assert succession.NEXT_KEY not in files_in(api, CA)


def test_nothing_is_served_before_all_clients_trust_its_authority(tmp_path: Path) -> None:
    api = MemoryApi()
    served: list[bool] = []
    api.before = lambda _verb, _path: served.append((tmp_path / "tls.crt").exists())
    ensure(api, tmp_path)
    created = [("create", path) for path in (ADMISSION, BROKER, GATEWAY)]
    assert api.writes == [("create", CA), ("patch", CONFIGURATION), *created]
    assert not any(served[: api.calls.index(("create", BROKER)) + 1])
    assert (tmp_path / "tls.crt").exists()


def test_a_cluster_in_order_costs_five_reads_and_no_write(tmp_path: Path) -> None:
    api = MemoryApi()
    keeper = ensure(api, tmp_path)
    written = (tmp_path / "tls.crt").stat().st_mtime_ns
    api.calls.clear()
    asyncio.run(keeper.ensure())
    read = (CA, ADMISSION, BROKER, GATEWAY, CONFIGURATION)
    assert sorted(api.calls) == sorted(("get", path) for path in read)
    assert (tmp_path / "tls.crt").stat().st_mtime_ns == written


def test_a_restarted_replica_writes_its_files_and_nothing_else(tmp_path: Path) -> None:
    api = MemoryApi()
    ensure(api, tmp_path / "before")
    api.calls.clear()
    ensure(api, tmp_path / "after")
    assert api.writes == []
    assert store.read_files(tmp_path / "before") == store.read_files(tmp_path / "after")


@pytest.mark.parametrize("seed", range(20))
def test_ten_replicas_that_start_at_once_end_with_the_same_authority(tmp_path: Path, seed: int) -> None:
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


# -- other writers


@pytest.mark.parametrize("path", [ADMISSION, BROKER, GATEWAY], ids=["admission", "broker", "gateway"])
def test_a_deleted_leaf_is_replaced(tmp_path: Path, path: str) -> None:
    api = MemoryApi()
    keeper = ensure(api, tmp_path)
    before = copy.deepcopy(api.objects)
    del api.objects[path]
    asyncio.run(keeper.ensure())
    assert files_in(api, path)[store.CERTIFICATE] != store.read_texts(before.pop(path))[store.CERTIFICATE]
    assert {path: api.objects[path] for path in before} == before
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
    for path in (CA, ADMISSION, BROKER, GATEWAY):
        del api.objects[path]  # the way out after a theft
    api.calls.clear()
    asyncio.run(keeper.ensure())
    created = [("create", path) for path in (ADMISSION, BROKER, GATEWAY)]
    assert api.writes == [("create", CA), ("patch", CONFIGURATION), *created]


def test_a_change_between_read_and_write_survives(tmp_path: Path) -> None:
    """Another replica, or a user's label, at the worst moment: between read and write."""
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
def test_an_object_that_is_deleted_between_read_and_write_is_restored_or_reported(
    tmp_path: Path, verb: str
) -> None:
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


def test_a_writer_that_changes_it_at_every_attempt_wins_for_now(tmp_path: Path) -> None:
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

"""The succession of certificates, stepped through decades, and the reasons to issue a leaf anew."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from certs import store
from certs.authority import create_authority, issue_leaf
from certs.bundle import split_bundle
from certs.rotate import Leaf, renew
from certs.succession import Succession, succeed
from support.certificates.rotations import (
    BEGIN,
    DAY,
    HOSTS,
    YEAR,
    Cluster,
    Texts,
    days,
    pair_texts,
    sign_bare,
    verify,
)

MONTH = YEAR / 12


# -- decades


@dataclass
class Pods:
    """Every bundle that was ever injected, with the promise that belongs to it."""

    served_for: timedelta
    recognized_for: timedelta
    last_injected: dict[str, datetime] = field(default_factory=dict)
    served: str = ""

    def check(self, now: datetime, wanted: Succession, leaf: Leaf) -> None:
        """After each look. A leaf is verified at the first and at the last moment of its life."""
        if leaf.files.certificate != self.served or wanted.bundle not in self.last_injected:
            self.last_injected[wanted.bundle] = now
            self._verify(now, leaf.files.certificate)
            if self.served:
                self._verify(now, self.served)
        self.served = leaf.files.certificate
        self.last_injected[wanted.bundle] = now
        for bundle, injected in self.last_injected.items():
            if now - injected <= self.recognized_for:
                assert set(split_bundle(bundle)) <= {authority.strip() for authority in wanted.known}

    def _verify(self, now: datetime, leaf: str) -> None:
        for bundle, injected in self.last_injected.items():
            if now - injected <= self.served_for:
                verify(leaf, bundle, now)


def test_for_15_years_a_pod_reaches_the_broker_with_the_bundle_it_was_injected_with() -> None:
    """For four years and eight months, with its first bundle alone. It is recognized for five years."""
    cluster, pods = Cluster(), Pods(served_for=56 * MONTH, recognized_for=5 * YEAR)
    leaves = 0
    for now in days(15 * YEAR):
        wanted, leaf = cluster.look(now)
        pods.check(now, wanted, leaf)
        leaves += bool(leaf.why)
    assert 15 * 365 / 61 < leaves < 15 * 365 / 54


def test_in_60_years_every_authority_has_a_single_successor_and_four_are_known_at_a_time() -> None:
    cluster, pods = Cluster(), Pods(served_for=54 * MONTH, recognized_for=5 * YEAR)
    made: dict[str, datetime] = {}
    for now in days(60 * YEAR, step=20 * DAY):
        wanted, leaf = cluster.look(now)
        pods.check(now, wanted, leaf)
        made |= {authority: now for authority in wanted.known if authority not in made}
        assert len(wanted.known) <= 4
        assert len(wanted.trusted) <= 3
    moments = list(made.values())
    assert len(moments) == 12
    for earlier, later in itertools.pairwise(moments):
        assert 5 * YEAR <= later - earlier <= 5 * YEAR + 20 * DAY


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 24), min_size=30, max_size=30), st.integers(0, 3650))
def test_looks_that_are_weeks_apart_serve_as_well(gaps: list[int], age: int) -> None:
    """A cluster that is switched off for up to 24 days, time and again, at any age of its authority."""
    cluster, pods = Cluster.of_age(age * DAY), Pods(served_for=54 * MONTH, recognized_for=5 * YEAR)
    now = BEGIN + age * DAY
    cluster.look(now)
    for gap in gaps:
        served = cluster.leaf[store.CERTIFICATE]
        now += gap * DAY
        verify(served, cluster.leaf[store.BUNDLE], now)  # the leaf that was served until this look
        pods.check(now, *cluster.look(now))


def test_a_replica_that_has_not_looked_for_an_hour_recognizes_injected_bundles() -> None:
    cluster, minute = Cluster(), timedelta(minutes=1)
    before = 5 * YEAR - 2 * DAY
    for now in days(before, step=20 * DAY):
        cluster.look(now)
    seen: list[Succession] = []
    for now in days(4 * DAY, step=10 * minute, begin=BEGIN + before):
        seen.append(cluster.look(now)[0])
        known = seen[-6:][0].known  # 50 minutes ago
        assert set(seen[-1].trusted) <= set(known)
    assert [len(succession.trusted) for succession in (seen[0], seen[-1])] == [1, 2]


@pytest.mark.parametrize("age", [9.9, 9.99, 11, 50], ids="{:g} years".format)
def test_a_cluster_that_was_off_for_years_serves_at_once(age: float) -> None:
    cluster = Cluster.of_age(4 * YEAR)
    old = cluster.look(BEGIN + 4 * YEAR)[0]
    now = BEGIN + age * YEAR
    wanted, leaf = cluster.look(now)
    verify(leaf.files.certificate, wanted.bundle, now)
    assert (old.current.certificate in wanted.known) == (age < 15)
    assert (old.current.certificate in wanted.trusted) == (age < 10)
    for later in days(YEAR, begin=now):
        wanted, leaf = cluster.look(later)
        verify(leaf.files.certificate, wanted.bundle, later)


# -- leaves


def test_a_leaf_is_renewed_at_about_two_thirds_of_its_life_and_not_everywhere_in_the_same_minute() -> None:
    ages = []
    for _ in range(12):
        cluster = Cluster()
        cluster.look(BEGIN)
        assert cluster.look(BEGIN + 55 * DAY)[1].why == ""
        looks = days(YEAR, timedelta(hours=1), BEGIN + 55 * DAY)
        ages.append(next(now for now in looks if cluster.look(now)[1].why) - BEGIN)
    assert max(ages) <= timedelta(days=60, hours=1)
    assert len(set(ages)) > 6


def test_a_leaf_in_order_stays() -> None:
    cluster = Cluster()
    cluster.look(BEGIN)
    before = (dict(cluster.authority), dict(cluster.leaf))
    wanted, leaf = cluster.look(BEGIN + DAY)
    assert (wanted.notes, leaf.why) == ((), "")
    assert (cluster.authority, cluster.leaf) == before


LEAF_DAMAGE: dict[str, tuple[Callable[[Texts], object], str]] = {
    "no certificate": (lambda leaf: leaf.pop(store.CERTIFICATE), "tls.crt cannot be read"),
    "no pair": (lambda leaf: leaf.clear(), "tls.crt and tls.key cannot be read"),
    "text": (lambda leaf: leaf.update({store.CERTIFICATE: "text"}), "the certificate is not PEM"),
    "another's key": (
        lambda leaf: leaf.update({store.KEY: create_authority(BEGIN).key}),
        "the private key is not the certificate's",
    ),
    "another's leaf": (
        lambda leaf: leaf.update(pair_texts(issue_leaf(create_authority(BEGIN), HOSTS, BEGIN))),
        "no authority that is trusted signed it",
    ),
}


@pytest.mark.parametrize("damage", LEAF_DAMAGE)
def test_a_damaged_leaf_is_issued_anew_with_its_reason(damage: str) -> None:
    cluster = Cluster()
    authority, _ = cluster.look(BEGIN)
    harm, why = LEAF_DAMAGE[damage]
    harm(cluster.leaf)
    stored_leaf = dict(cluster.leaf)
    leaf = renew(stored_leaf, authority, HOSTS, BEGIN)
    assert leaf.why == why
    verify(leaf.files.certificate, authority.bundle, BEGIN)


def test_a_leaf_for_other_hosts_is_issued_anew() -> None:
    authority = succeed({}, BEGIN)
    leaf = renew(None, authority, HOSTS, BEGIN)
    further = renew(store.texts_of(leaf.files), authority, [*HOSTS, "broker.example", "10.1.2.3"], BEGIN)
    assert further.why == "it is for other hosts"
    verify(further.files.certificate, authority.bundle, BEGIN, "broker.example")
    in_another_order = ["10.1.2.3", *HOSTS, "broker.example"]
    assert renew(store.texts_of(further.files), authority, in_another_order, BEGIN).why == ""


@pytest.mark.parametrize("now", [BEGIN - 2 * timedelta(hours=1), BEGIN + 90 * DAY], ids=["before", "after"])
def test_a_leaf_that_is_not_valid_now_is_issued_anew(now: datetime) -> None:
    """Not valid yet: the clock of another replica is ahead."""
    authority = succeed({}, BEGIN - DAY)
    leaf = renew(None, authority, HOSTS, BEGIN)
    assert renew(store.texts_of(leaf.files), authority, HOSTS, now).why == "it is not valid now"


def test_a_leaf_without_names_is_issued_anew() -> None:
    authority = succeed({}, BEGIN)
    key = ec.generate_private_key(ec.SECP256R1())
    bare = sign_bare(key, authority.current, ca=None)
    assert renew(pair_texts(bare), authority, HOSTS, BEGIN).why == "it is for other hosts"

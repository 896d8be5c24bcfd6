"""What certificates there should be: stepped through decades, and from Secrets that somebody damaged."""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from certs import store, succession
from certs.authority import KeyPair, create_authority, issue_leaf, join_bundle, service_hosts, split_bundle
from certs.errors import ClockBehind, UnsupportedKey
from certs.rotate import Leaf, renew
from certs.succession import Succession, succeed

BEGIN = datetime(2027, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)
MONTH = YEAR / 12
HOSTS = service_hosts("pypi-connector-broker", "pypi-connector-system")

Texts = dict[str, str]


def verify(leaf: str, bundle: str, now: datetime, host: str = HOSTS[2]) -> None:
    """By the rules of a TLS client, with a verifier that none of the product's code calls."""
    authorities = x509.load_pem_x509_certificates(bundle.encode())
    verifier = PolicyBuilder().store(Store(authorities)).time(now).build_server_verifier(x509.DNSName(host))
    verifier.verify(x509.load_pem_x509_certificate(leaf.encode()), [])


def verifies(leaf: str, bundle: str, now: datetime) -> bool:
    try:
        verify(leaf, bundle, now)
    except VerificationError:
        return False
    return True


@dataclass
class Cluster:
    """The two Secrets, as one replica leaves them after each look."""

    authority: Texts = field(default_factory=dict)
    leaf: Texts = field(default_factory=dict)

    def look(self, now: datetime) -> tuple[Succession, Leaf]:
        wanted = succeed(self.authority, now, [self.leaf.get(store.BUNDLE, "")])
        self.authority = wanted.texts()
        leaf = renew(self.leaf or None, wanted, HOSTS, now)
        self.leaf = store.texts_of(leaf.files)
        return wanted, leaf

    @classmethod
    def of_age(cls, age: timedelta) -> "Cluster":
        """Looked at every few weeks."""
        cluster = cls()
        for now in days(age, step=20 * DAY):
            cluster.look(now)
        return cluster


def days(length: timedelta, step: timedelta = DAY, begin: datetime = BEGIN) -> Iterator[datetime]:
    for number in itertools.count():
        if number * step > length:
            return
        yield begin + number * step


# -- the years go by


@dataclass
class Pods:
    """Every bundle that was ever injected, and what each promises."""

    served_for: timedelta
    recognized_for: timedelta
    last_injected: dict[str, datetime] = field(default_factory=dict)
    served: str = ""

    def check(self, now: datetime, wanted: Succession, leaf: Leaf) -> None:
        """After each look. A leaf is valid between two moments: at its first and its last it is verified."""
        if leaf.files.certificate != self.served or wanted.bundle not in self.last_injected:
            self.last_injected[wanted.bundle] = now
            self._verify(now, leaf.files.certificate)
            if self.served:
                self._verify(now, self.served)
        self.served = leaf.files.certificate
        self.last_injected[wanted.bundle] = now
        for bundle, injected in self.last_injected.items():
            if now - injected <= self.recognized_for:
                assert set(split_bundle(bundle)) <= {one.strip() for one in wanted.known}

    def _verify(self, now: datetime, leaf: str) -> None:
        for bundle, injected in self.last_injected.items():
            if now - injected <= self.served_for:
                verify(leaf, bundle, now)


def test_for_15_years_a_pod_reaches_the_broker_with_the_bundle_it_was_injected_with() -> None:
    """For four years and eight months, without having learned anything, and is recognized for five years."""
    cluster, pods = Cluster(), Pods(served_for=56 * MONTH, recognized_for=5 * YEAR)
    leaves = 0
    for now in days(15 * YEAR):
        wanted, leaf = cluster.look(now)
        pods.check(now, wanted, leaf)
        leaves += bool(leaf.why)
    assert 15 * 365 / 61 < leaves < 15 * 365 / 54


def test_in_60_years_every_authority_has_one_successor_and_four_are_known_at_a_time() -> None:
    cluster, pods = Cluster(), Pods(served_for=54 * MONTH, recognized_for=5 * YEAR)
    made: dict[str, datetime] = {}
    for now in days(60 * YEAR, step=20 * DAY):
        wanted, leaf = cluster.look(now)
        pods.check(now, wanted, leaf)
        made |= {one: now for one in wanted.known if one not in made}
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
        verify(served, cluster.leaf[store.BUNDLE], now)  # what was served until this look
        pods.check(now, *cluster.look(now))


def test_a_replica_that_has_not_looked_for_an_hour_recognizes_what_admission_injects() -> None:
    cluster, minute = Cluster(), timedelta(minutes=1)
    before = 5 * YEAR - 2 * DAY
    for now in days(before, step=20 * DAY):
        cluster.look(now)
    seen: list[Succession] = []
    for now in days(4 * DAY, step=10 * minute, begin=BEGIN + before):
        seen.append(cluster.look(now)[0])
        known = seen[-6:][0].known  # 50 minutes ago
        assert set(seen[-1].trusted) <= set(known)
    assert [len(one.trusted) for one in (seen[0], seen[-1])] == [1, 2]


# -- leaves


def test_a_leaf_is_renewed_at_about_two_thirds_of_its_life_and_not_everywhere_in_one_minute() -> None:
    ages = []
    for _ in range(12):
        cluster = Cluster()
        cluster.look(BEGIN)
        assert cluster.look(BEGIN + 55 * DAY)[1].why == ""
        looks = days(YEAR, timedelta(hours=1), BEGIN + 55 * DAY)
        ages.append(next(now for now in looks if cluster.look(now)[1].why) - BEGIN)
    assert max(ages) <= timedelta(days=60, hours=1)
    assert len(set(ages)) > 6


def test_what_is_in_order_is_left_as_it_is() -> None:
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
def test_a_damaged_leaf_is_issued_anew_and_the_reason_is_said(damage: str) -> None:
    cluster = Cluster()
    authority, _ = cluster.look(BEGIN)
    harm, why = LEAF_DAMAGE[damage]
    harm(cluster.leaf)
    kept = dict(cluster.leaf)
    leaf = renew(kept, authority, HOSTS, BEGIN)
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
    """Before: another replica's clock is ahead."""
    authority = succeed({}, BEGIN - DAY)
    leaf = renew(None, authority, HOSTS, BEGIN)
    assert renew(store.texts_of(leaf.files), authority, HOSTS, now).why == "it is not valid now"


def test_a_leaf_without_names_is_issued_anew() -> None:
    authority = succeed({}, BEGIN)
    key = ec.generate_private_key(ec.SECP256R1())
    bare = sign_bare(key, authority.current, ca=None)
    assert renew(pair_texts(bare), authority, HOSTS, BEGIN).why == "it is for other hosts"


# -- a Secret of the authority that somebody damaged


def test_without_a_secret_an_authority_is_made() -> None:
    wanted = succeed({}, BEGIN)
    assert [note.partition(" ")[0] + note[-9:] for note in wanted.notes] == ["authority was made"]
    assert wanted.known == wanted.trusted == (wanted.current.certificate,)
    assert "PRIVATE" not in join_bundle(wanted.known)


def old_cluster() -> Cluster:
    """Six years old: with a successor."""
    cluster = aged(6)
    assert succession.NEXT_KEY in cluster.authority
    return cluster


SIX_YEARS = BEGIN + 6 * YEAR


DAMAGE = st.tuples(
    st.sampled_from(["authority", "leaf"]),
    st.sampled_from(succession.KEYS),
    st.sampled_from(["gone", "empty", "text", "cut", "twice", *succession.KEYS]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(DAMAGE, min_size=1, max_size=4), st.sampled_from([0, 4, 6, 9.7, 9.8, 9.98, 10.2, 14]))
def test_whatever_is_damaged_one_look_mends_it_and_the_next_one_changes_nothing(
    damages: list[tuple[str, str, str]], years: float
) -> None:
    now = BEGIN + years * YEAR
    cluster = aged(years)
    before = cluster.look(now)[0]
    for secret, key, how in damages:
        texts = cluster.authority if secret == "authority" else cluster.leaf
        text = texts.pop(key, "")
        changed = {"empty": "", "text": "oops", "cut": text[: len(text) * 2 // 5], "twice": text * 2}
        if how != "gone":
            texts[key] = changed[how] if how in changed else cluster.authority.get(how, "")
    wanted, leaf = cluster.look(now)
    verify(leaf.files.certificate, wanted.bundle, now)
    if not {("authority", store.BUNDLE), ("leaf", store.BUNDLE)} <= {damage[:2] for damage in damages}:
        assert set(before.trusted) <= set(wanted.known), "an authority was forgotten"
    mended = (dict(cluster.authority), dict(cluster.leaf))
    again, leaf = cluster.look(now)
    assert (again.notes, leaf.why) == ((), "")
    assert (cluster.authority, cluster.leaf) == mended


def aged(years: float) -> Cluster:
    """Made once for each age: it takes a second."""
    kept = _aged(years)
    return Cluster(dict(kept.authority), dict(kept.leaf))


@functools.cache
def _aged(years: float) -> Cluster:
    return Cluster.of_age(years * YEAR)


def test_a_key_without_its_certificate_finds_it_in_the_bundle() -> None:
    cluster = old_cluster()
    before = dict(cluster.authority)
    for name in (store.CERTIFICATE, succession.NEXT_CERTIFICATE):
        cluster.authority[name] = "by mistake"
    wanted, leaf = cluster.look(SIX_YEARS)
    assert cluster.authority == before
    assert leaf.why == ""
    assert wanted.notes == ()


def test_a_deleted_secret_costs_no_pod_its_broker() -> None:
    """The old leaf serves on while sidecars learn of the new authority, which they can for a month."""
    cluster = Cluster.of_age(YEAR)
    begin = BEGIN + YEAR
    old = cluster.look(begin)[0]
    cluster.authority = {}
    wanted, leaf = cluster.look(begin)
    assert leaf.why == ""
    assert wanted.trusted == (wanted.current.certificate, old.current.certificate)
    assert wanted.current != old.current
    verify(leaf.files.certificate, old.bundle, begin)
    learned = wanted.bundle
    for now in days(YEAR, begin=begin):
        verify(cluster.look(now)[1].files.certificate, learned, now)
    assert not verifies(cluster.leaf[store.CERTIFICATE], old.bundle, begin + YEAR)


def test_an_old_leaf_is_replaced_well_before_its_end_even_if_the_new_authority_is_news() -> None:
    cluster = Cluster()
    cluster.look(BEGIN)
    end = x509.load_pem_x509_certificate(cluster.leaf[store.CERTIFICATE].encode()).not_valid_after_utc
    cluster.authority = {}
    assert cluster.look(end - succession.RESERVE - DAY)[1].why == ""
    assert cluster.look(end - succession.RESERVE)[1].why == "its authority has been succeeded"


def test_both_secrets_deleted_begin_anew_and_believe_nothing_old() -> None:
    """The way out after a key was stolen."""
    cluster = Cluster.of_age(6 * YEAR)
    before = set(split_bundle(cluster.authority[store.BUNDLE]))
    cluster.authority, cluster.leaf = {}, {}
    wanted, leaf = cluster.look(SIX_YEARS)
    assert not before & set(split_bundle(join_bundle(wanted.known)))
    verify(leaf.files.certificate, wanted.bundle, SIX_YEARS)


def test_a_lost_key_makes_the_successor_sign_which_everybody_believes_already() -> None:
    cluster = old_cluster()
    old = cluster.look(SIX_YEARS)[0]
    cluster.authority[store.KEY] = "lost"
    wanted, leaf = cluster.look(SIX_YEARS)
    assert wanted.current == old.successor
    assert set(wanted.trusted) > set(old.trusted) - {wanted.current.certificate}
    assert wanted.notes[0] == "tls.key: the private key is not PEM without a passphrase"
    assert wanted.notes[1].endswith(" succeeds before its time")
    assert leaf.why == "its authority has been succeeded"
    verify(leaf.files.certificate, old.bundle, SIX_YEARS)


def test_a_lost_key_without_a_successor_makes_a_new_authority_and_keeps_the_old_certificate() -> None:
    cluster = Cluster()
    old, served = cluster.look(BEGIN)
    del cluster.authority[store.KEY]
    wanted, leaf = cluster.look(BEGIN)
    assert wanted.trusted == (wanted.current.certificate, old.current.certificate)
    assert leaf.files.certificate == served.files.certificate


def test_a_successor_whose_key_is_lost_is_replaced_and_still_recognized() -> None:
    cluster = old_cluster()
    old = cluster.look(SIX_YEARS)[0]
    cluster.authority[succession.NEXT_KEY] = ""
    wanted, leaf = cluster.look(SIX_YEARS)
    assert old.successor
    assert wanted.successor
    assert wanted.successor != old.successor
    assert {old.successor.certificate, wanted.successor.certificate} < set(wanted.known)
    assert (wanted.current, leaf.why) == (old.current, "")


def test_a_successor_that_does_not_outlive_the_authority_is_none() -> None:
    cluster = old_cluster()
    cluster.authority |= {
        succession.NEXT_CERTIFICATE: cluster.authority[store.CERTIFICATE],
        succession.NEXT_KEY: cluster.authority[store.KEY],
    }
    wanted, _ = cluster.look(SIX_YEARS)
    assert wanted.successor
    assert wanted.successor != wanted.current


def test_a_lost_bundle_is_put_together_from_what_was_handed_out() -> None:
    cluster = Cluster.of_age(9.9 * YEAR)
    now = BEGIN + 9.9 * YEAR
    old = cluster.look(now)[0]
    assert len(old.trusted) == 2
    cluster.authority[store.BUNDLE] = "oops"
    assert cluster.look(now)[0].trusted == old.trusted


def test_what_is_no_authority_is_left_out_of_the_bundle() -> None:
    """One block that a TLS library cannot read makes it refuse the whole bundle."""
    cluster = Cluster()
    good, leaf = cluster.look(BEGIN)
    own = create_authority(BEGIN).certificate
    faulty = own[:100] + "AAAA" + own[104:]
    v1 = sign_bare(ec.generate_private_key(ec.SECP256R1()), good.current, ca=None).certificate
    bundle = cluster.authority[store.BUNDLE] + faulty + leaf.files.certificate + v1 + own
    cluster.authority[store.BUNDLE] = bundle
    wanted, _ = cluster.look(BEGIN)
    assert wanted.trusted == (good.current.certificate, own)
    assert [note.partition(" of ")[2] or note for note in wanted.notes] == [
        "ca.crt cannot be read, and was left out",
        "ca.crt is no authority's, and was left out",
        "ca.crt is no authority's, and was left out",
    ]


def test_a_bundle_in_another_layout_is_the_same_bundle() -> None:
    cluster = Cluster()
    before, _ = cluster.look(BEGIN)
    for name in (store.BUNDLE, store.CERTIFICATE):
        cluster.authority[name] = "# ours\r\n" + cluster.authority[name].replace("\n", "\r\n") + "\r\n"
    assert cluster.look(BEGIN)[0].known == before.known


def test_a_key_of_another_kind_is_not_thrown_away() -> None:
    cluster = Cluster()
    authority, _ = cluster.look(BEGIN)
    key = rsa.generate_private_key(65537, 2048)
    theirs = sign_bare(key, authority.current, ca=True)
    with pytest.raises(UnsupportedKey, match=r"tls.key: .* elliptic curve key, and it is not thrown away"):
        succeed(pair_texts(theirs) | {store.BUNDLE: theirs.certificate}, BEGIN)


def test_a_leaf_is_no_authority() -> None:
    authority = succeed({}, BEGIN)
    leaf = renew(None, authority, HOSTS, BEGIN)
    wanted = succeed(store.texts_of(leaf.files), BEGIN)
    assert wanted.notes[0] == "tls.key: no certificate of an authority belongs to this private key"
    assert wanted.trusted == (wanted.current.certificate, authority.current.certificate)


def test_somebody_who_deletes_the_key_each_minute_does_not_fill_every_pod_with_certificates() -> None:
    cluster = Cluster()
    for minute in range(50):
        wanted, _ = cluster.look(BEGIN + minute * timedelta(minutes=1))
        assert wanted.known[0] == wanted.current.certificate
        assert len(wanted.known) == min(minute + 1, succession.MOST_AUTHORITIES)
        del cluster.authority[store.KEY]


def test_a_clock_that_is_behind_makes_no_other_authority() -> None:
    cluster = Cluster()
    cluster.look(BEGIN)
    with pytest.raises(ClockBehind, match="before the authority was made at 2027-01-31 12:00"):
        cluster.look(BEGIN - timedelta(hours=2))
    cluster.look(BEGIN - timedelta(minutes=59))


def test_a_clock_that_is_behind_does_not_make_a_new_successor_sign() -> None:
    cluster = old_cluster()
    cluster.authority[store.KEY] = "lost"
    with pytest.raises(ClockBehind):
        cluster.look(BEGIN + 4 * YEAR)


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


def test_no_key_is_in_a_repr() -> None:
    cluster = old_cluster()
    wanted, leaf = cluster.look(SIX_YEARS)
    keys = [cluster.authority[store.KEY], cluster.authority[succession.NEXT_KEY], cluster.leaf[store.KEY]]
    shown = f"{wanted!r} {wanted} {leaf!r} {leaf}"
    for key in keys:
        assert key.splitlines()[1] not in shown


# -- parts


def pair_texts(pair: KeyPair) -> Texts:
    return {store.CERTIFICATE: pair.certificate, store.KEY: pair.key}


def sign_bare(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, authority: KeyPair, *, ca: bool | None
) -> KeyPair:
    """A certificate with no extension but, at most, whether it is an authority's."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    builder = x509.CertificateBuilder(
        issuer.subject, issuer.subject, key.public_key(), 7, BEGIN - DAY, BEGIN + YEAR
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    certificate = builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(certificate.decode(), pem.decode())

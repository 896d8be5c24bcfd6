"""An authority and its successor, after damaged or deleted Secrets, and with a clock that is behind."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from certs import store, succession
from certs.authority import create_authority
from certs.bundle import join_bundle, split_bundle
from certs.errors import ClockBehind, UnsupportedKey
from certs.rotate import renew
from certs.succession import succeed
from support.certificates.rotations import (
    BEGIN,
    DAY,
    HOSTS,
    YEAR,
    Cluster,
    aged,
    days,
    pair_texts,
    sign_bare,
    verifies,
    verify,
)


def test_without_a_secret_an_authority_is_made() -> None:
    wanted = succeed({}, BEGIN)
    assert [note.partition(" ")[0] + note[-9:] for note in wanted.notes] == ["authority was made"]
    assert wanted.known == wanted.trusted == (wanted.current.certificate,)
    assert "PRIVATE" not in join_bundle(wanted.known)


def old_cluster() -> Cluster:
    """An authority of six years, which has a successor."""
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
def test_any_damage_is_mended_by_a_look_and_the_next_look_changes_nothing(
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
    """The old leaf serves on for a month, while sidecars learn of the new authority."""
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


def test_after_both_secrets_are_deleted_no_old_authority_is_trusted() -> None:
    """The way out after a key was stolen."""
    cluster = Cluster.of_age(6 * YEAR)
    before = set(split_bundle(cluster.authority[store.BUNDLE]))
    cluster.authority, cluster.leaf = {}, {}
    wanted, leaf = cluster.look(SIX_YEARS)
    assert not before & set(split_bundle(join_bundle(wanted.known)))
    verify(leaf.files.certificate, wanted.bundle, SIX_YEARS)


def test_a_lost_key_makes_the_successor_sign_which_all_clients_trust_already() -> None:
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


def test_a_successor_that_does_not_outlive_the_authority_is_replaced() -> None:
    cluster = old_cluster()
    cluster.authority |= {
        succession.NEXT_CERTIFICATE: cluster.authority[store.CERTIFICATE],
        succession.NEXT_KEY: cluster.authority[store.KEY],
    }
    wanted, _ = cluster.look(SIX_YEARS)
    assert wanted.successor
    assert wanted.successor != wanted.current


def test_a_lost_bundle_is_restored_from_the_leaves_bundles() -> None:
    cluster = Cluster.of_age(9.9 * YEAR)
    now = BEGIN + 9.9 * YEAR
    old = cluster.look(now)[0]
    assert len(old.trusted) == 2
    cluster.authority[store.BUNDLE] = "oops"
    assert cluster.look(now)[0].trusted == old.trusted


def test_the_bundle_leaves_out_certificates_that_are_no_authoritys() -> None:
    """A TLS library refuses a whole bundle if it cannot read a single block of it."""
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
    foreign = sign_bare(key, authority.current, ca=True)
    with pytest.raises(UnsupportedKey, match=r"tls.key: .* elliptic curve key, and it is not thrown away"):
        succeed(pair_texts(foreign) | {store.BUNDLE: foreign.certificate}, BEGIN)


def test_a_leaf_is_no_authority() -> None:
    authority = succeed({}, BEGIN)
    leaf = renew(None, authority, HOSTS, BEGIN)
    wanted = succeed(store.texts_of(leaf.files), BEGIN)
    assert wanted.notes[0] == "tls.key: no certificate of an authority belongs to this private key"
    assert wanted.trusted == (wanted.current.certificate, authority.current.certificate)


def test_a_key_that_is_deleted_each_minute_does_not_fill_every_pod_with_certificates() -> None:
    cluster = Cluster()
    for minute in range(50):
        wanted, _ = cluster.look(BEGIN + minute * timedelta(minutes=1))
        assert wanted.known[0] == wanted.current.certificate
        assert len(wanted.known) == min(minute + 1, succession.AUTHORITIES_LIMIT)
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


def test_no_key_is_in_a_repr() -> None:
    cluster = old_cluster()
    wanted, leaf = cluster.look(SIX_YEARS)
    keys = [cluster.authority[store.KEY], cluster.authority[succession.NEXT_KEY], cluster.leaf[store.KEY]]
    shown = f"{wanted!r} {wanted} {leaf!r} {leaf}"
    for key in keys:
        assert key.splitlines()[1] not in shown

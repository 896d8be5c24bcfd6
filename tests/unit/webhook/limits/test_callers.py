"""Limits for failed tokens of an address, and for refusals of a Pod."""

from sidecar.grants.life import REFUSED_SECONDS
from support.components.made_up_tokens import NOW
from webhook.limits import callers
from webhook.limits.callers import Callers
from webhook.pod.csi_volumes import CONNECTORS_LIMIT


def test_the_failures_of_an_address_are_limited_and_its_allowance_refills() -> None:
    limits = Callers()
    for _ in range(int(callers.FAILURES_LIMIT)):
        assert limits.may_ask("a", "t", "pod", NOW)
        limits.not_accepted("a", "t", "pod", NOW)
    assert not limits.may_ask("a", "t", "pod", NOW)
    assert limits.may_ask("b", "t", "pod", NOW)
    seconds = 1 / callers.FAILURES_PER_SECOND
    assert not limits.may_ask("a", "t", "pod", NOW + seconds / 2)
    assert limits.may_ask("a", "t", "pod", NOW + seconds + 0.01)


def exhausted(limits: Callers, peer: str = "a") -> Callers:
    for _ in range(100):
        limits.not_accepted(peer, "bad", "nobody", NOW)
    return limits


def test_an_accepted_token_passes_until_it_fails() -> None:
    limits = Callers()
    limits.accepted("a", "good", "pod", NOW)
    exhausted(limits)
    assert limits.may_ask("a", "good", "other", NOW)
    limits.not_accepted("a", "good", "other", NOW)
    assert not limits.may_ask("a", "good", "other", NOW)


def test_an_accepted_pod_may_show_a_new_token_at_the_same_address() -> None:
    limits = Callers()
    limits.accepted("a", "good", "pod", NOW)
    exhausted(exhausted(limits), "b")
    assert limits.may_ask("a", "rotated", "pod", NOW)
    assert not limits.may_ask("a", "rotated", "another pod", NOW)
    assert not limits.may_ask("b", "rotated", "pod", NOW)


def test_claims_of_a_known_pod_have_an_allowance_that_refills() -> None:
    limits = Callers()
    limits.accepted("a", "good", "pod", NOW)
    exhausted(limits)
    for number in range(int(callers.CLAIMED_FAILURES_LIMIT)):
        assert limits.may_ask("a", f"forged {number}", "pod", NOW)
        limits.not_accepted("a", f"forged {number}", "pod", NOW)
    assert not limits.may_ask("a", "forged", "pod", NOW)
    assert limits.may_ask("a", "good", "pod", NOW)
    exhausted(limits)
    later = NOW + 1 / callers.CLAIMED_FAILURES_PER_SECOND + 0.01
    assert limits.may_ask("a", "rotated", "pod", later)


def test_a_failed_token_makes_no_pod_known() -> None:
    limits = Callers()
    limits.not_accepted("a", "bad", "pod", NOW)
    assert not exhausted(limits).may_ask("a", "bad", "pod", NOW)


def test_an_honest_pod_whose_connectors_are_all_refused_is_never_delayed() -> None:
    """The most connectors that a Pod can name, each asked for again at the pace of a sidecar, for an hour."""
    limits, most = Callers(), CONNECTORS_LIMIT + 1
    for turn in range(int(3600 / REFUSED_SECONDS)):
        for _ in range(most):
            now = NOW + turn * REFUSED_SECONDS
            assert limits.may_be_refused("uid", now)
            limits.refused("uid", now)


def test_the_refusals_of_a_pod_are_limited() -> None:
    limits, refusals = Callers(), 0
    for millisecond in range(0, 60_000, 5):
        now = NOW + millisecond / 1000
        if limits.may_be_refused("uid", now):
            limits.refused("uid", now)
            refusals += 1
    assert refusals <= callers.REFUSALS_LIMIT + 60 * callers.REFUSALS_PER_SECOND
    assert limits.may_be_refused("another", now)


def test_every_table_is_bounded() -> None:
    limits = Callers()
    for number in range(callers.ACCEPTED_LIMIT + 10):
        limits.accepted("a", f"token {number}", f"pod {number}", NOW)
        limits.refused(f"uid {number}", NOW)
    for number in range(callers.PEERS_LIMIT + 10):
        limits.not_accepted(f"peer {number}", "bad", f"claimed {number}", NOW)
    assert len(limits._accepted) == len(limits._claimed) == len(limits._refusals) == callers.ACCEPTED_LIMIT
    assert len(limits._failures) == callers.PEERS_LIMIT

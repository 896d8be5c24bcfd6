"""Made-up tokens: what is refused at a look, how many may fail; how often a Pod may be refused."""

import base64
from typing import Any

import pytest
from hypothesis import given as example
from hypothesis import strategies as st

from sidecar.grants.life import REFUSED_SECONDS
from support.components.broker_requests import AUDIENCE
from support.components.made_up_tokens import NOW, made_up, part
from webhook.grant import claims
from webhook.grant.claims import LEEWAY_SECONDS, doubt, is_bound_to_pod
from webhook.limits import callers
from webhook.limits.callers import Callers
from webhook.pod.request import CONNECTORS_LIMIT


def bound_to(pod: object) -> str:
    return made_up(**{"kubernetes.io": {"namespace": "team", "pod": pod}})


DOUBTS = {
    "no JSON": ("a.b.c", "no JWT"),
    "no base64": ("é.é.c", "no JWT"),
    "a list": (f"{part({'alg': 'RS256'})}.{part([])}.c", "no JWT"),
    "too deep": (f"{part({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 20_000).decode()}.c", "no JWT"),
    "no algorithm": (made_up({"alg": "none"}), "no JWT"),
    "a head that is a list": (made_up([]), "no JWT"),
    "another audience": (
        made_up(aud=["https://kubernetes.default.svc"]),
        "for the audience 'pypi-connector'",
    ),
    "an audience that contains ours": (made_up(aud="pypi-connector-gateway"), "for the audience"),
    "no audience": (made_up(aud=None), "its audiences: none"),
    "audiences that are numbers": (made_up(aud=[1]), "its audiences: none"),
    "expired": (made_up(exp=NOW - LEEWAY_SECONDS - 1), "has expired"),
    "without an end": (made_up(exp=None), "has expired"),
    "an end that is a text": (made_up(exp="9999999999"), "has expired"),
    "not yet": (made_up(nbf=NOW + LEEWAY_SECONDS + 1), "not valid yet"),
    "not for ages": (made_up(nbf=10**400), "not valid yet"),
    "a user's": (made_up(sub="kim"), "not a ServiceAccount's"),
    "without Kubernetes' claims": (made_up(**{"kubernetes.io": None}), "not a ServiceAccount's"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_what_the_api_server_could_never_accept_is_refused_at_a_look(name: str) -> None:
    text, expected = DOUBTS[name]
    assert expected in (doubt(text, AUDIENCE, NOW) or "")


@pytest.mark.parametrize(
    "text",
    [
        made_up(),
        made_up(aud=AUDIENCE),
        made_up(aud=["https://kubernetes.default.svc", AUDIENCE]),
        made_up(exp=NOW - LEEWAY_SECONDS + 1),
        made_up(nbf=NOW + LEEWAY_SECONDS - 1),
        made_up(nbf=None),
        made_up(exp=10**400),
        made_up(iss=None),
    ],
)
def test_what_it_could_accept_is_its_own_to_judge(text: str) -> None:
    assert doubt(text, AUDIENCE, NOW) is None
    assert is_bound_to_pod(text)


@pytest.mark.parametrize(
    "pod", [None, {}, "job", {"name": "job"}, {"name": "", "uid": "1"}, {"name": 1, "uid": "1"}]
)
def test_a_token_that_names_no_pod_is_seen_too(pod: object) -> None:
    assert doubt(bound_to(pod), AUDIENCE, NOW) is None
    assert not is_bound_to_pod(bound_to(pod))


@example(st.text(), st.text())
def test_no_text_breaks_it(head: str, payload: str) -> None:
    for text in (
        f"{head}.{payload}.x",
        f"{part(head)}.{part(payload)}.x",
        f"{part({'alg': head})}.{payload}.x",
    ):
        assert doubt(text, AUDIENCE, NOW) is not None
        assert claims.pod(text) == ("", "")


@pytest.mark.parametrize(
    "changes", [{"sub": None}, {"sub": 1}, {"kubernetes.io": []}, {"kubernetes.io": {"pod": 1}}]
)
def test_claims_of_any_form_name_a_pod_or_none(changes: dict[str, Any]) -> None:
    assert claims.pod(made_up()) == ("system:serviceaccount:team:default", "1")
    assert claims.pod(made_up(**changes)) == ("", "")


# -- failures


def test_an_address_may_fail_so_often_and_again_after_a_while() -> None:
    given = Callers()
    for _ in range(int(callers.FAILURES_LIMIT)):
        assert given.may_ask("a", "t", "pod", NOW)
        given.not_accepted("a", "t", "pod", NOW)
    assert not given.may_ask("a", "t", "pod", NOW)
    assert given.may_ask("b", "t", "pod", NOW)
    seconds = 1 / callers.FAILURES_PER_SECOND
    assert not given.may_ask("a", "t", "pod", NOW + seconds / 2)
    assert given.may_ask("a", "t", "pod", NOW + seconds + 0.01)


def exhausted(given: Callers, peer: str = "a") -> Callers:
    for _ in range(100):
        given.not_accepted(peer, "bad", "nobody", NOW)
    return given


def test_a_token_that_was_accepted_is_let_through_until_it_fails() -> None:
    given = Callers()
    given.accepted("a", "good", "pod", NOW)
    exhausted(given)
    assert given.may_ask("a", "good", "other", NOW)
    given.not_accepted("a", "good", "other", NOW)
    assert not given.may_ask("a", "good", "other", NOW)


def test_a_pod_that_was_accepted_may_show_another_token_at_the_same_address() -> None:
    given = Callers()
    given.accepted("a", "good", "pod", NOW)
    exhausted(exhausted(given), "b")
    assert given.may_ask("a", "rotated", "pod", NOW)
    assert not given.may_ask("a", "rotated", "another pod", NOW)
    assert not given.may_ask("b", "rotated", "pod", NOW)


def test_what_claims_to_be_a_known_pod_has_an_allowance_of_its_own_that_refills() -> None:
    given = Callers()
    given.accepted("a", "good", "pod", NOW)
    exhausted(given)
    for number in range(int(callers.CLAIMED_FAILURES_LIMIT)):
        assert given.may_ask("a", f"forged {number}", "pod", NOW)
        given.not_accepted("a", f"forged {number}", "pod", NOW)
    assert not given.may_ask("a", "forged", "pod", NOW)
    assert given.may_ask("a", "good", "pod", NOW)
    exhausted(given)
    later = NOW + 1 / callers.CLAIMED_FAILURES_PER_SECOND + 0.01
    assert given.may_ask("a", "rotated", "pod", later)


def test_a_failed_token_makes_no_pod_known() -> None:
    given = Callers()
    given.not_accepted("a", "bad", "pod", NOW)
    assert not exhausted(given).may_ask("a", "bad", "pod", NOW)


def test_an_honest_pod_whose_connectors_are_all_refused_is_never_delayed() -> None:
    """The most connectors that a Pod can name, each asked for again at the pace of a sidecar, for an hour."""
    given, most = Callers(), CONNECTORS_LIMIT + 1
    for turn in range(int(3600 / REFUSED_SECONDS)):
        for _ in range(most):
            now = NOW + turn * REFUSED_SECONDS
            assert given.may_be_refused("uid", now)
            given.refused("uid", now)


def test_a_pod_in_a_loop_is_refused_so_often_and_no_more() -> None:
    given, refusals = Callers(), 0
    for millisecond in range(0, 60_000, 5):
        now = NOW + millisecond / 1000
        if given.may_be_refused("uid", now):
            given.refused("uid", now)
            refusals += 1
    assert refusals <= callers.REFUSALS_LIMIT + 60 * callers.REFUSALS_PER_SECOND
    assert given.may_be_refused("another", now)


def test_every_table_is_bounded() -> None:
    given = Callers()
    for number in range(callers.ACCEPTED_LIMIT + 10):
        given.accepted("a", f"token {number}", f"pod {number}", NOW)
        given.refused(f"uid {number}", NOW)
    for number in range(callers.PEERS_LIMIT + 10):
        given.not_accepted(f"peer {number}", "bad", f"claimed {number}", NOW)
    assert len(given._accepted) == len(given._claimed) == len(given._refusals) == callers.ACCEPTED_LIMIT
    assert len(given._failures) == callers.PEERS_LIMIT

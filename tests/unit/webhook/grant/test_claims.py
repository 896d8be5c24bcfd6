"""Claims of made-up tokens: the API server is not asked about a token that it could never accept."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.components.broker_requests import AUDIENCE
from support.components.made_up_tokens import NOW, made_up, part
from webhook.grant import claims
from webhook.grant.claims import LEEWAY_SECONDS, doubt, is_bound_to_pod


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
    "of a namespace that cannot exist": (
        made_up(**{"kubernetes.io": {"namespace": "Team"}}),
        "not a ServiceAccount's",
    ),
    "of a namespace of kilobytes": (
        made_up(sub=f"system:serviceaccount:{'a' * 9999}:x", **{"kubernetes.io": {"namespace": "a" * 9999}}),
        "not a ServiceAccount's",
    ),
    "of two namespaces": (made_up(sub="system:serviceaccount:other:default"), "not a ServiceAccount's"),
    "of no account": (made_up(sub="system:serviceaccount:team:"), "not a ServiceAccount's"),
    "without Kubernetes' claims": (made_up(**{"kubernetes.io": None}), "not a ServiceAccount's"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_a_token_that_no_api_server_could_accept_is_refused(name: str) -> None:
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
def test_any_other_token_is_left_to_the_api_server(text: str) -> None:
    assert doubt(text, AUDIENCE, NOW) is None
    assert is_bound_to_pod(text)


@pytest.mark.parametrize(
    "pod", [None, {}, "job", {"name": "job"}, {"name": "", "uid": "1"}, {"name": 1, "uid": "1"}]
)
def test_a_token_without_a_pod_is_recognised(pod: object) -> None:
    assert doubt(bound_to(pod), AUDIENCE, NOW) is None
    assert not is_bound_to_pod(bound_to(pod))


@given(st.text(), st.text())
def test_any_text_is_judged_without_an_error(head: str, payload: str) -> None:
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


def test_the_subject_of_a_token_is_read_with_its_namespace() -> None:
    assert claims.subject(made_up()) == ("system:serviceaccount:team:default", "team")
    for text in ("", "a.b.c", made_up(sub="kim"), made_up(sub="system:serviceaccount:other:default")):
        assert claims.subject(text) == ("", "")


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (NOW + 600, NOW + 600),
        (6_100_000_000, 6_100_000_000.0),
        (None, None),
        ("9999999999", None),
        (True, None),
        (-1, None),
        (0, None),
        (10**400, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_the_end_of_a_token_is_a_time_that_can_come(end: object, expected: float | None) -> None:
    assert claims.expiry(made_up(exp=end)) == expected

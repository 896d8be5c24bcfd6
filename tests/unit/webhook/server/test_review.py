"""Every answer that admission can give, and the patch in it."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from webhook.pod.patch import applied, operations
from webhook.server import review

members = st.fixed_dictionaries(
    {"name": st.sampled_from("abcd")},
    optional={"value": st.sampled_from(["1", "2", True, 1, None]), "env": st.lists(st.integers(0, 2))},
)
pods = st.fixed_dictionaries(
    {
        "spec": st.fixed_dictionaries(
            {}, optional={"x": st.lists(members, max_size=5), "y": st.lists(st.none())}
        )
    }
)


@given(pods, pods)
def test_an_applied_patch_gives_the_intended_object(before: dict[str, Any], after: dict[str, Any]) -> None:
    patch = operations(before, after)
    assert json.dumps(applied(before, patch), sort_keys=True) == json.dumps(after, sort_keys=True)


@given(st.lists(members, max_size=4, unique_by=lambda member: str(member["name"])))
def test_a_member_put_first_and_changes_of_the_others_are_additions(present: list[dict[str, Any]]) -> None:
    after = [{"name": "first", "env": [1]}, *({**member, "added": {"by": "us"}} for member in present)]
    patch = operations({"spec": {"x": present}}, {"spec": {"x": after}})
    assert {operation["op"] for operation in patch} == {"add"}


def test_allowed() -> None:
    assert review.allowed("1") == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "1", "allowed": True},
    }


def test_patched_carries_the_patch_in_base64() -> None:
    response = review.patched("1", [{"op": "add", "path": "/a", "value": "ä"}], warnings=["w"])["response"]
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == [{"op": "add", "path": "/a", "value": "ä"}]
    assert response["warnings"] == ["w"]


def test_an_empty_patch_is_left_out() -> None:
    assert review.patched("1", []) == review.allowed("1")


def test_dropped_fields_go_to_the_audit_log() -> None:
    operation = {"op": "add", "path": "/x", "value": 1}
    answer = review.patched("1", [operation], dropped=("restartPolicy", "securityContext.seccompProfile"))
    expected = {"dropped": "restartPolicy, securityContext.seccompProfile"}
    assert answer["response"]["auditAnnotations"] == expected
    assert "auditAnnotations" not in review.patched("1", [operation])["response"]


def test_denied_names_its_reason() -> None:
    response = review.denied("1", "HostNetwork", "remove it")["response"]
    assert response["allowed"] is False
    assert response["status"] == {"code": 403, "reason": "HostNetwork", "message": "remove it"}


def test_errored_has_its_code() -> None:
    assert review.errored("1", 500, "InternalError", "x")["response"]["status"]["code"] == 500


def test_a_warning_fits_a_header() -> None:
    [long, broken] = review.allowed("1", warnings=["ä" * 300, "a\nb\x00c\ud800"])["response"]["warnings"]
    assert (len(long), long[-1]) == (256, "…")
    assert broken == "a b c "

"""A LimitRange as the API server completes it, and as anybody may write it into a file."""

from decimal import Decimal
from typing import Any

import pytest

from webhook.pod.limit_ranges import LimitRange, Limits, parse_limit_range

ONE, TWO = Decimal(1), Decimal(2)


def parsed(*items: Any) -> LimitRange:
    return parse_limit_range({"metadata": {"name": "bounds"}, "spec": {"limits": list(items)}})


@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        (
            {"max": {"cpu": "2"}},
            Limits(maximum={"cpu": TWO}, default={"cpu": TWO}, default_request={"cpu": TWO}),
        ),
        ({"min": {"cpu": "1"}}, Limits(minimum={"cpu": ONE}, default_request={"cpu": ONE})),
        ({"default": {"cpu": "2"}}, Limits(default={"cpu": TWO}, default_request={"cpu": TWO})),
        ({"defaultRequest": {"cpu": "1"}}, Limits(default_request={"cpu": ONE})),
        (
            {"min": {"cpu": "1"}, "default": {"cpu": "2"}},
            Limits(minimum={"cpu": ONE}, default={"cpu": TWO}, default_request={"cpu": TWO}),
        ),
        ({"maxLimitRequestRatio": {"cpu": 2}}, Limits(ratio={"cpu": TWO})),
    ],
)
def test_defaults_of_a_container_follow_from_its_bounds(fields: dict[str, Any], limits: Limits) -> None:
    assert parsed({"type": "Container", **fields}).container == limits


def test_a_pod_has_no_defaults() -> None:
    assert parsed({"type": "Pod", "max": {"cpu": "2"}}).pod == Limits(maximum={"cpu": TWO})


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"spec": None},
        {"spec": {"limits": "x"}},
        {
            "spec": {
                "limits": ["x", None, {"type": "Node"}, {"type": ["x"]}, {"type": "Container", "min": []}]
            }
        },
        {"spec": {"limits": [{"type": "Container", "min": {"cpu": "-1", "memory": "much"}}]}},
        {"spec": {"limits": [{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}}]}},
    ],
)
def test_what_cannot_be_read_is_left_out(manifest: Any) -> None:
    assert parse_limit_range(manifest) == LimitRange("None")

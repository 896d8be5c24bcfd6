"""A secret stays one, wherever it is put."""

import copy
import json
import pickle
import traceback
from typing import Any

import pytest

from sidecar.contract.grant import Credential, Grant
from sidecar.contract.secret import Secret

CANARY = "canary-7d10-contract"
GRANT = Grant.parse(
    json.dumps(
        {
            "version": "1",
            "indexUrl": "https://registry.example/simple/",
            "uploadUrl": None,
            "fileOrigins": [],
            "ca": None,
            "credential": {"username": "u", "password": CANARY},
            "softSeconds": 300,
            "hardSeconds": 3600,
            "brokerCa": [],
        }
    )
)


def _to_json_with_default(secret: Secret) -> str:
    return json.dumps({"password": secret}, default=str)


PRINTED = {
    "str": str,
    "repr": repr,
    "ascii": ascii,
    "format": format,
    "format with a width": lambda secret: format(secret, ">80"),
    "percent s": lambda secret: "%s" % secret,  # noqa: UP031 (the point)
    "percent r": lambda secret: "%r" % secret,  # noqa: UP031 (the point)
    "f-string": lambda secret: f"{secret} {secret!s} {secret!r} {secret:s}",
    "str.format": lambda secret: "{0} {0!r}".format(secret),  # noqa: UP032 (the point)
    "in containers": lambda secret: f"{[secret]} { {'a': secret} } {Credential('u', secret)}",
    "in a grant": lambda secret: str(GRANT._replace(credential=Credential("u", secret))),
    "json with default=str": _to_json_with_default,
}


@pytest.mark.parametrize("printed", PRINTED.values(), ids=PRINTED.keys())
def test_a_secret_is_never_printed(printed: Any) -> None:
    text = printed(Secret(CANARY))
    assert CANARY not in text
    assert "Secret(***)" in text


@pytest.mark.parametrize(
    "spread",
    [json.dumps, pickle.dumps, copy.copy, copy.deepcopy, vars, len, iter, bytes],
    ids=lambda f: f.__name__,
)
def test_a_secret_is_not_serialised_copied_or_taken_apart(spread: Any) -> None:
    with pytest.raises(TypeError) as caught:
        spread(Secret(CANARY))
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled_in_any_protocol_nor_inside_a_grant(protocol: int) -> None:
    with pytest.raises(TypeError, match="a secret is not pickled or copied"):
        pickle.dumps(GRANT, protocol=protocol)


def test_a_traceback_does_not_show_a_secret() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(secret, Credential("u", secret))

    with pytest.raises(ValueError, match="Secret") as caught:
        fail(Secret(CANARY))
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert CANARY not in "".join(line for line in shown if "CANARY" not in line)


def test_a_secret_is_revealed_on_demand_and_compared_by_its_text() -> None:
    assert Secret(CANARY).reveal() == CANARY
    assert Secret(CANARY) == Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert len({Secret(CANARY), Secret(CANARY)}) == 1

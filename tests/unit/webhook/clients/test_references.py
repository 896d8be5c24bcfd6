"""References among a container's variables, read as Kubernetes expands them."""

from typing import Any

import pytest

from support.machine.times import assert_takes_less
from webhook.clients.references import expanded, referred_above, with_url

URL = "http://127.0.0.1:28200/simple/"
OURS = {"name": "PIP_INDEX_URL", "value": URL}
OPAQUE = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


def entry(value: str, name: str = "B") -> dict[str, Any]:
    return {"name": name, "value": value}


@pytest.mark.parametrize(
    ("env", "last"),
    [
        ([OURS, entry("$(PIP_INDEX_URL)")], URL),
        ([OURS, entry("a=$(PIP_INDEX_URL),$(PIP_INDEX_URL)")], f"a={URL},{URL}"),
        ([OURS, entry("$(PIP_INDEX_URL)", "A"), entry("$(A)")], URL),
        ([OURS, entry("$(PIP_INDEX_URL)/own", "A"), entry("$(A)")], "$(A)"),
        ([OURS, entry("$(pip_index_url)")], "$(pip_index_url)"),
        ([OURS, entry("$$(PIP_INDEX_URL)")], "$$(PIP_INDEX_URL)"),
        ([OURS, entry("$$$(PIP_INDEX_URL)")], f"$${URL}"),
        ([OURS, entry("$(PIP_INDEX_URL")], "$(PIP_INDEX_URL"),
        ([entry("$(PIP_INDEX_URL)")], "$(PIP_INDEX_URL)"),
        ([entry("x", "PIP_INDEX_URL"), entry("$(PIP_INDEX_URL)")], "$(PIP_INDEX_URL)"),
        ([OURS, entry("x", "PIP_INDEX_URL"), entry("$(PIP_INDEX_URL)")], "$(PIP_INDEX_URL)"),
        ([entry(URL, "A"), OPAQUE, entry("$(A)")], "$(A)"),
        ([entry("other", "A"), entry("$(A)")], "$(A)"),
    ],
)
def test_a_reference_to_the_url_is_replaced_and_no_other(env: list[Any], last: str) -> None:
    assert with_url(env, URL)[-1] == entry(last)


def test_a_reference_to_an_entry_further_down_stays() -> None:
    env = [entry("$(PIP_INDEX_URL)"), OURS]
    assert with_url(env, URL) == env


def test_entries_without_a_text_stay() -> None:
    env: list[Any] = [OURS, OPAQUE, {"name": "C"}, {"name": "D", "value": None}]
    assert with_url(env, URL) == env


def test_references_to_references_do_not_multiply() -> None:
    """Kubernetes would make 2 GiB of these: an author must not do that to admission."""
    env = [OURS, entry("$(PIP_INDEX_URL)" * 1000, "V0")]
    env += [entry(f"$(V{number})" * 10, f"V{number + 1}") for number in range(6)]

    def work() -> None:
        assert sum(len(item["value"]) for item in with_url(env, URL)) < 40_000

    assert_takes_less(1, work)


def test_an_entry_to_which_one_further_up_refers_is_named() -> None:
    env = [entry("$(A) $$(C)"), entry("1", "A"), entry("2", "C"), entry("$(C)", "D")]
    assert referred_above(env) == {"A"}


def test_a_kubelet_expands_what_stands_further_up() -> None:
    env = [entry("1", "A"), entry("$(A)-$(Z)-$$(A)-$(C)"), entry("2", "C"), {"name": "D"}]
    assert expanded(env) == {"A": "1", "B": "1-$(Z)-$(A)-$(C)", "C": "2", "D": ""}

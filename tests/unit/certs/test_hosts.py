"""Host names: which of them a certificate can hold."""

import pytest

from certs.hosts import is_host, is_label, service_hosts

LONGEST_LABEL = "a" * 63


@pytest.mark.parametrize("text", ["a", "0", "a-b", LONGEST_LABEL])
def test_a_label_is_a_host_too(text: str) -> None:
    assert is_label(text)
    assert is_host(text)


@pytest.mark.parametrize("text", ["", "A", "a_b", "-a", "a-", "a\n", LONGEST_LABEL + "a"])
def test_a_text_that_is_no_label_is_no_host_either(text: str) -> None:
    assert not is_label(text)
    assert not is_host(text)


def test_a_host_has_labels_and_an_end() -> None:
    assert is_host("a.b-c.d")
    assert not is_label("a.b")
    assert not is_host("a..b")
    assert not is_host("a.")
    longest = ".".join([LONGEST_LABEL] * 3 + ["a" * 61])
    assert is_host(longest)
    assert not is_host(longest + "a")


def test_a_service_has_four_names() -> None:
    assert service_hosts("s", "n") == ("s", "s.n", "s.n.svc", "s.n.svc.cluster.local")

"""Validators of pages: there and back again, and none that was never told."""

import pytest

from sidecar.http.validators import marked, unmarked

MARK, OTHER = b"0123abcd", b"89abcdef"


@pytest.mark.parametrize("tag", [b'"abc"', b'W/"abc"', b'""', b'W/""', b'"s,w"', b'"W/"', b'"\xe9"'])
def test_a_tag_that_was_told_is_the_registrys_again(tag: bytes) -> None:
    told = marked(tag, MARK) or b""
    assert told.startswith(b'W/"')
    assert unmarked(told, MARK) == tag
    assert unmarked(told.removeprefix(b"W/"), MARK) == tag  # some clients drop it
    assert unmarked(told, OTHER) is None
    assert told != marked(tag, OTHER)


def test_a_strong_tag_and_a_weak_one_stay_apart() -> None:
    assert marked(b'"abc"', MARK) != marked(b'W/"abc"', MARK)


def test_of_several_only_those_of_this_mark_are_asked_for() -> None:
    tags = [marked(b'"a"', MARK), marked(b'"b"', OTHER), b'"c"', marked(b'W/"d"', MARK)]
    assert unmarked(b", ".join(tag or b"" for tag in tags), MARK) == b'"a", W/"d"'


@pytest.mark.parametrize("tags", [b"", b"*", b'"abc"', b'W/"abc"', b"0123abcdsabc", b'"0123abcd', b"\0"])
def test_what_was_never_told_is_not_asked_for(tags: bytes) -> None:
    assert unmarked(tags, MARK) is None


@pytest.mark.parametrize("tag", [b"", b"abc", b'"a"b"', b'"a', b'w/"a"', b'"a", "b"'])
def test_what_is_no_tag_is_told_to_nobody(tag: bytes) -> None:
    assert marked(tag, MARK) is None

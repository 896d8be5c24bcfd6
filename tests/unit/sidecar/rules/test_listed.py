"""The memory of listed files, and the spellings that it takes for the same file."""

import pytest

from sidecar.rules import listed
from sidecar.rules.listed import ListedFiles
from sidecar.rules.targets import canonical, is_harmless

INDEX = "https://r.example/simple/"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a/f[1]/x.zip", "/a/f%5B1%5D/x.zip"),
        ("/a//b/x.zip", "/a/b/x.zip"),
        ("/a/x%2bcpu.zip", "/a/x+cpu.zip"),
        ("/a/~x.zip", "/a/%7Ex.zip"),
        ("/a/\u00fc.zip", "/a/%C3%BC.zip"),
        ("/a/\udcfc.zip", "/a/%FC.zip"),  # a byte of a page that nobody decoded
        ("/a/x.zip?sig=a+b", "/a/x.zip?sig=a%2Bb"),
    ],
)
def test_clients_spell_the_same_file_in_several_ways(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a/b/x.zip", "/a%2Fb/x.zip"),
        ("/a/x.zip", "/a/x.zip?y"),
        ("/a/x.zip?y=1", "/a/x.zip?y=2"),
        ("/a/x.zip", "/A/x.zip"),
        ("/a%3Fb.zip", "/a?b.zip"),
        ("/a/%2541.zip", "/a/A.zip"),
    ],
)
def test_other_files_stay_other_files(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "path",
    [
        *("/a/../x.zip", "/a/./x.zip", "/a/%2e%2e/x.zip", "/a/%2E./x.zip", "/a/%252e%252e/x.zip"),
        *("/a/..;v=1/x.zip", "/a/%2e%2e%3bv/x.zip", "/a/..%2fx.zip", "/a/%2e%2e%2fx.zip"),
        *("/a%5cb.zip", "/a\\b.zip", "/a%255cb.zip", "/a%00.zip", "/a%0d%0a.zip", "/a b.zip", "/a#b.zip"),
        *("//a/x.zip", "http://a/x.zip", "x.zip", ""),
        *("/%c0%ae%c0%ae/x.zip", "/%e0%80%ae/x.zip", "/%f0%80%80%ae/x.zip", "/a%.zip", "/a%2.zip"),
    ],
)
def test_a_path_that_climbs_or_hides_something_is_never_harmless(path: str) -> None:
    assert not is_harmless(path, "")


def test_the_oldest_files_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "LIMIT", 3)
    files = ListedFiles()
    for number in range(5):
        files.add(INDEX, f"/{number}.zip")
    assert [files.holds(INDEX, f"/{number}.zip") for number in range(5)] == [False, False, True, True, True]


def test_pages_of_another_index_do_not_count() -> None:
    """The Connector's address was changed, and the sidecar has a grant for the new one."""
    files = ListedFiles()
    files.add(INDEX, "/x.zip")
    assert not files.holds("https://other.example/simple/", "/x.zip")

"""The memory of listed files, and the spellings that it takes for the same file."""

import pytest

from sidecar.rules import listed
from sidecar.rules.listed import ListedFiles
from sidecar.rules.odd_targets import canonical, is_harmless

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
        ("/a/x.zip?sig=a~b", "/a/x.zip?sig=a%7Eb"),
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
        ("/a/x.zip?y=a+b", "/a/x.zip?y=a%2Bb"),
        ("/a/x.zip?y=a&z=b", "/a/x.zip?y=a%26z=b"),
        ("/a;v/x.zip", "/a%3Bv/x.zip"),  # a servlet container cuts the first to /a/x.zip
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


def test_pip_escapes_a_semicolon_that_a_page_does_not() -> None:
    files = ListedFiles()
    files.add(INDEX, "/a;v=1/x.zip")
    files.add(INDEX, "/b%3Bv/x.zip")
    assert files.holds(INDEX, "/a;v=1/x.zip")
    assert files.holds(INDEX, "/a%3Bv%3D1/x.zip")
    assert files.holds(INDEX, "/b%3bv/x.zip")
    assert not files.holds(INDEX, "/b;v/x.zip")


def test_the_oldest_files_are_forgotten_by_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "LIMIT", 3)
    files = ListedFiles()
    for number in range(7):
        files.add(INDEX, f"/{number}.zip")
    held = [files.holds(INDEX, f"/{number}.zip") for number in range(7)]
    assert held == [False, False, False, True, True, True, True]
    assert files.generation == 2


def test_a_file_that_a_request_waits_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at many pages at once would drop each other's files before they are asked for."""
    monkeypatch.setattr(listed, "LIMIT", 2)
    files = ListedFiles()
    with files.wanting(INDEX, ["/wanted.zip"]), files.wanting(INDEX, ["/wanted.zip", "/never.zip"]):
        for name in ("wanted", *"abcdef"):
            files.add(INDEX, f"/{name}.zip")
        assert files.holds(INDEX, "/wanted.zip")
        assert not files.holds(INDEX, "/never.zip")
        assert not files.holds(INDEX, "/a.zip")
    assert not files.holds(INDEX, "/wanted.zip")


def test_pages_of_another_index_do_not_count() -> None:
    """The Connector's address was changed, and the sidecar has a grant for the new one."""
    files = ListedFiles()
    files.add(INDEX, "/x.zip")
    assert not files.holds("https://other.example/simple/", "/x.zip")

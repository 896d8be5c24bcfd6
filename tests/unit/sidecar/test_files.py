"""Client configuration on disk: whole or not at all, readable for everybody, its inode kept."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.files import write_files

LONG = "x" * 300_000


@pytest.fixture(autouse=True)
def _narrow_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_files_are_written_for_every_user_under_any_umask(tmp_path: Path) -> None:
    write_files(tmp_path, {"pip.conf": "[global]\n", "ünï": "é€\r\n", "empty": "", "long": LONG})
    assert {one.name: one.read_bytes().decode() for one in tmp_path.iterdir()} == {
        "pip.conf": "[global]\n",
        "ünï": "é€\r\n",
        "empty": "",
        "long": LONG,
    }
    assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o644}


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    write_files(tmp_path / "a" / "b", {"pip.conf": "x"})
    assert (tmp_path / "a" / "b" / "pip.conf").read_text() == "x"


def test_an_equal_file_keeps_its_inode_for_mounts_of_a_single_file_follow_it(tmp_path: Path) -> None:
    write_files(tmp_path, {"pip.conf": "x"})
    before = (tmp_path / "pip.conf").stat()
    write_files(tmp_path, {"pip.conf": "x"})
    after = (tmp_path / "pip.conf").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_text_takes_the_place_whole_so_an_open_reader_keeps_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "pip.conf"
    write_files(tmp_path, {"pip.conf": LONG})
    with target.open() as reader:
        first = reader.read(10)
        write_files(tmp_path, {"pip.conf": "short"})
        assert first + reader.read() == LONG
    assert target.read_text() == "short"
    assert [one.name for one in tmp_path.iterdir()] == ["pip.conf"]


def test_what_an_interrupted_start_left_behind_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".pip.conf.new").write_text(LONG)
    write_files(tmp_path, {"pip.conf": "x"})
    assert [one.name for one in tmp_path.iterdir()] == ["pip.conf"]
    assert (tmp_path / "pip.conf").read_text() == "x"
    assert (tmp_path / "pip.conf").stat().st_mode & 0o777 == 0o644


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("m")
    write_files(tmp_path, {"pip.conf": "x"})
    assert (tmp_path / "mine").read_text() == "m"


def test_a_link_in_the_files_place_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("m")
    (tmp_path / "pip.conf").symlink_to(tmp_path / "elsewhere")
    write_files(tmp_path, {"pip.conf": "x"})
    assert (tmp_path / "elsewhere").read_text() == "m"
    assert not (tmp_path / "pip.conf").is_symlink()


def test_a_link_in_the_new_files_place_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("m")
    (tmp_path / ".pip.conf.new").symlink_to(tmp_path / "elsewhere")
    write_files(tmp_path, {"pip.conf": "x"})
    assert (tmp_path / "elsewhere").read_text() == "m"
    assert (tmp_path / "pip.conf").read_text() == "x"


def test_a_link_to_an_equal_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / "pip.conf").symlink_to(tmp_path / "elsewhere")
    write_files(tmp_path, {"pip.conf": "x"})
    assert not (tmp_path / "pip.conf").is_symlink()


@pytest.mark.parametrize("name", ["pip.conf", ".pip.conf.new"])
def test_a_pipe_does_not_hold_up_the_start(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    write_files(tmp_path, {"pip.conf": "x"})
    assert (tmp_path / "pip.conf").read_text() == "x"


def test_a_file_that_is_endless_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "pip.conf").open("wb") as stream:
        stream.truncate(1 << 40)
    write_files(tmp_path, {"pip.conf": "x"})
    assert (tmp_path / "pip.conf").read_text() == "x"

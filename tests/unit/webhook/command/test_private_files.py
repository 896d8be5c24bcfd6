"""Files with a token: for their owner only, whole, and never written over by accident."""

import os
import stat
from pathlib import Path

import pytest

from sidecar.contract.secret import Secret
from webhook.command.private_files import check_absent, write_private
from webhook.errors import InputError

TEXTS = {"pip.conf": Secret("one"), ".pypirc": Secret("two")}


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        written = write_private(str(tmp_path / "new" / "folder"), TEXTS, is_forced=False)
    finally:
        os.umask(before)
    folder = tmp_path / "new" / "folder"
    assert written == [folder / "pip.conf", folder / ".pypirc"]
    assert contents(folder) == {"pip.conf": "one", ".pypirc": "two"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["file", "folder", "link", "broken link"])
def test_nothing_is_written_over(tmp_path: Path, kind: str) -> None:
    taken, other = tmp_path / "in" / ".pypirc", tmp_path / "other"
    taken.parent.mkdir()
    if kind == "file":
        taken.write_text("mine")
    elif kind == "folder":
        taken.mkdir()
    else:
        taken.symlink_to(other)
        if kind == "link":
            other.write_text("mine")
    for act in (
        lambda: check_absent(str(taken.parent), TEXTS),
        lambda: write_private(str(taken.parent), {".pypirc": TEXTS[".pypirc"]}, is_forced=False),
    ):
        with pytest.raises(InputError, match=r"\.pypirc exists: give --force"):
            act()
    assert [path.name for path in taken.parent.iterdir()] == [".pypirc"]
    assert not other.exists() or other.read_text() == "mine"


def test_by_force_a_file_is_replaced_and_a_link_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("theirs")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "pip.conf").write_text("old")
    (folder / "pip.conf").chmod(0o644)
    (folder / ".pypirc").symlink_to(other)
    write_private(str(folder), TEXTS, is_forced=True)
    assert contents(folder) == {"pip.conf": "one", ".pypirc": "two"}
    assert {stat.S_IMODE(path.lstat().st_mode) for path in folder.iterdir()} == {0o600}
    assert other.read_text() == "theirs"


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written: not a directory"):
        write_private(str(tmp_path / "file" / "x"), TEXTS, is_forced=False)
    with pytest.raises(InputError, match="file cannot be written: file exists"):
        write_private(str(tmp_path / "file"), TEXTS, is_forced=True)


def test_an_absent_folder_holds_no_file(tmp_path: Path) -> None:
    check_absent(str(tmp_path / "nowhere"), TEXTS)

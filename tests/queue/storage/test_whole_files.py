"""Files of a storage: whole or not at all, and a full disk is one line for the user."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from renders.full_disk import largest_file
from rushes_queue.storage.errors import DiskFullError
from rushes_queue.storage.whole_files import refusing_full_disk, write_private, write_whole


def test_a_file_that_has_no_room_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")

    def write(file: BinaryIO) -> None:
        file.write(bytes(100_000))

    with largest_file(4096), pytest.raises(DiskFullError, match="a: the disk is full"):
        write_whole(path, write)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_is_created_once_if_it_must_be_absent(tmp_path: Path) -> None:
    assert write_whole(tmp_path / "a", lambda file: None, if_absent=True)
    assert not write_whole(tmp_path / "a", lambda file: None, if_absent=True)


def test_a_private_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "farm.json", "é")
        write_whole(tmp_path / "open", lambda file: None)
    finally:
        os.umask(before)
    assert (tmp_path / "farm.json").read_text(encoding="utf-8") == "é"
    assert stat.S_IMODE((tmp_path / "farm.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o666


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_the_room_that_is_left(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(DiskFullError, match=r"a/b: the disk is full \([\d,.]+ MB free"),
        refusing_full_disk(tmp_path / "a" / "b"),
    ):
        raise OSError(number, "no room")


def test_other_errors_of_a_disk_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), refusing_full_disk(tmp_path):
        raise PermissionError(errno.EACCES, "not allowed")

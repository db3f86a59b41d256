"""A file that is read must stay as it was when it was opened."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from rushes.errors import InputError, MissingFileError
from rushes_queue.storage.source_file import SourceFile, open_ordinary


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(range(256)) * 10)
    return path


def test_the_hash_is_of_the_whole_and_reading_starts_again(path: Path) -> None:
    with SourceFile(path) as source:
        assert source.size == 2560
        source.read(100)
        source.rewind()
        assert source.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
        assert source.read(1000) + source.read() == path.read_bytes()
        assert source.read() == b""


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with SourceFile(tmp_path / "empty") as source:
        assert source.read() == b""
        assert source.sha256() == hashlib.sha256().hexdigest()


@pytest.mark.parametrize("how", ["grown", "cut", "rewritten"])
def test_a_file_that_changed_is_refused_before_its_end(path: Path, how: str) -> None:
    with SourceFile(path) as source:
        first = source.read(1000)
        if how == "grown":
            path.write_bytes(path.read_bytes() + b"more")
        elif how == "cut":
            path.write_bytes(path.read_bytes()[:1500])
        else:
            status = path.stat()
            path.write_bytes(bytes(2560))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert len(first) == 1000
        with pytest.raises(InputError, match="changed while it was being read; try again"):
            source.read()


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="none: there is no such file") as caught:
        SourceFile(tmp_path / "none")
    assert caught.value.exit_code == 4
    with pytest.raises(InputError, match="is not an ordinary file"):
        SourceFile(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is not an ordinary file"):
        SourceFile(tmp_path / "pipe")
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        SourceFile(tmp_path / "pipe" / "below")


def test_a_link_is_followed_unless_that_is_forbidden(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    with SourceFile(tmp_path / "link") as source:
        assert source.size == 2560
    with pytest.raises(OSError, match="symbolic links"):
        open_ordinary(tmp_path / "link", os.O_NOFOLLOW)

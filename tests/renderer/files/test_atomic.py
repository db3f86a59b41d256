"""Files get their name whole or not at all, and only one module gives names."""

from __future__ import annotations

import ast
import errno
import os
import stat
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from checkout import ROOT
from renders.full_disk import largest_file
from rushes.errors import ConfigError
from rushes.files import atomic
from rushes.files.atomic import (
    TEMPORARY_PREFIX,
    give_folder_name,
    give_name,
    make_folder,
    remove_old_temporaries,
    sync_folder,
    temporary_beside,
    write_whole,
)
from rushes.files.disk import free_bytes, is_full_disk


def test_a_file_appears_whole_with_the_rights_of_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_whole(path, lambda file: file.write(b"one"))
    assert write_whole(path, lambda file: file.write(b"two"), is_durable=False)
    assert path.read_bytes() == b"two"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert os.listdir(tmp_path) == ["file"]


def test_what_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_whole(path, fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_of_several_writers_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "file"
    won: list[bytes] = []

    def write(content: bytes) -> None:
        if write_whole(path, lambda file: file.write(content), if_absent=True):
            won.append(content)

    threads = [threading.Thread(target=write, args=(bytes([n]) * 9,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [path.read_bytes()]
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_known_by_its_error(tmp_path: Path) -> None:
    with largest_file(4096), pytest.raises(OSError, match="large") as caught:
        write_whole(tmp_path / "file", lambda file: file.write(bytes(10_000)))
    assert is_full_disk(caught.value)
    assert os.listdir(tmp_path) == []
    assert is_full_disk(OSError(errno.ENOSPC, "full"))
    assert is_full_disk(OSError(errno.EDQUOT, "quota"))
    assert not is_full_disk(OSError(errno.EACCES, "no"))
    assert not is_full_disk(ValueError())


def test_a_folder_takes_the_place_of_another_one(tmp_path: Path) -> None:
    old, new = tmp_path / "folder", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / folder.name).touch()
    give_folder_name(new, old)
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(old) == ["new"]


def test_a_folder_that_cannot_be_replaced_is_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "folder", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    (old / "kept").touch()
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if source == new:
            raise OSError(errno.EIO, "no")
        replace(source, target)

    monkeypatch.setattr(atomic.os, "replace", refuse)  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="no"):
        give_folder_name(new, old)
    assert os.listdir(old) == ["kept"]


def test_a_finished_file_gets_its_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    temporary = temporary_beside(path)
    assert temporary.parent == tmp_path
    assert temporary.name.startswith(TEMPORARY_PREFIX)
    temporary.write_bytes(b"new")
    give_name(temporary, path)
    assert path.read_bytes() == b"new"


def test_nobody_sees_a_half_written_file(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def look(file: BinaryIO) -> None:
        file.write(b"half")
        file.flush()
        assert not path.exists()
        (other,) = os.listdir(tmp_path)
        assert other.startswith(".rushes-")

    assert write_whole(path, look)
    assert path.read_bytes() == b"half"


def test_a_file_system_without_hard_links_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ConfigError, match="no hard links, which a storage needs"):
        write_whole(tmp_path / "a", lambda file: None, if_absent=True)
    assert not list(tmp_path.iterdir())


def test_a_link_that_was_made_although_it_is_reported_as_taken_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS does when the answer was lost and the request is repeated."""
    link = os.link

    def link_twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    assert write_whole(tmp_path / "a", lambda file: None, if_absent=True)


def test_a_folder_is_made_with_all_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    make_folder(folder)
    make_folder(folder)
    sync_folder(folder)
    assert folder.is_dir()
    (folder / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_folder(folder / "file" / "below")


def test_leftovers_are_removed_after_a_day(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (".rushes-a.tmp", ".rushes-b.tmp", "file"))
    for file in (old, young, other):
        file.touch()
    a_day_ago = time.time() - 90_000
    for file in (old, other):
        os.utime(file, (a_day_ago, a_day_ago))
    remove_old_temporaries(tmp_path)
    assert set(tmp_path.iterdir()) == {young, other}


def test_room_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert free_bytes(tmp_path / "a" / "b" / "none" / "none") == pytest.approx(
        free_bytes(tmp_path), rel=0.5
    )


def test_only_one_module_renames_and_only_one_knows_the_errors_of_a_full_disk() -> None:
    """Random weights are made once: their folder may not replace one that is there."""
    found = set()
    for root in ("renderer", "queue"):
        for file in (ROOT / root).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    name = f"{node.value.id}.{node.attr}"
                    if name in ("os.replace", "os.rename", "os.link", "errno.ENOSPC"):
                        found.add(f"{file.name} {name}")
    assert found == {
        "atomic.py os.replace",
        "atomic.py os.link",
        "disk.py errno.ENOSPC",
        "networks.py os.rename",
    }

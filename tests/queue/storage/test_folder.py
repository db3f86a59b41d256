"""A storage in a folder, beyond the promises of every storage: links, rights, leftovers."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rushes.errors import InputError
from rushes_queue.storage.errors import (
    InvalidKeyError,
    MissingKeyError,
    StorageError,
    StorageUnreachableError,
)
from rushes_queue.storage.folder import FolderStorage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def storage(root: Path) -> FolderStorage:
    return FolderStorage(root)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the storage with a file that nobody may reach through it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    return tmp_path / "outside"


def test_a_link_to_a_folder_is_not_followed(
    storage: FolderStorage, root: Path, outside: Path
) -> None:
    root.mkdir()
    (root / "link").symlink_to(outside)
    for ask in (
        lambda: storage.get_bytes("link/secret"),
        lambda: storage.put_bytes("link/secret", b"other"),
        lambda: storage.entry("link/secret"),
        lambda: storage.delete("link/secret"),
        lambda: storage.touch("link/secret"),
    ):
        with pytest.raises(StorageError, match="links in a storage are not followed, remove it"):
            ask()
    assert list(storage.list()) == list(storage.list("link")) == []
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_link_to_a_file_is_no_object_and_can_be_replaced_and_removed(
    storage: FolderStorage, root: Path, outside: Path
) -> None:
    root.mkdir()
    (root / "link").symlink_to(outside / "secret")
    with pytest.raises(StorageError, match="is a symbolic link"):
        storage.get_bytes("link")
    assert storage.entry("link") is None
    assert list(storage.list()) == []
    assert storage.put_bytes("link", b"own")
    assert not (root / "link").is_symlink()
    (root / "other").symlink_to(outside)
    storage.delete("other")
    assert os.listdir(root) == ["link"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_the_folder_itself_may_be_a_link(root: Path, outside: Path) -> None:
    root.symlink_to(outside)
    storage = FolderStorage(root)
    assert storage.get_bytes("secret") == b"secret"
    storage.put_bytes("a/b", b"")
    assert (outside / "a" / "b").exists()


def test_hidden_files_and_pipes_are_not_listed(storage: FolderStorage, root: Path) -> None:
    storage.put_bytes("a/b", b"")
    (root / ".hidden").touch()
    (root / "a" / ".rushes-1.tmp").touch()
    os.mkfifo(root / "pipe")
    (root / "a\\b").touch()
    assert [entry.key for entry in storage.list()] == ["a/b"]
    with pytest.raises(MissingKeyError):
        storage.get_bytes("pipe")


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
def test_a_file_and_a_folder_cannot_share_a_name(
    storage: FolderStorage, first: str, second: str
) -> None:
    storage.put_bytes(first, b"first")
    with pytest.raises(InvalidKeyError, match="a folder where this needs a file, or a file where"):
        storage.put_bytes(second, b"second")
    assert [entry.key for entry in storage.list()] == [first]


def test_folders_that_become_empty_go_but_not_the_storage(
    storage: FolderStorage, root: Path
) -> None:
    storage.put_bytes("work/1/points/2", b"")
    storage.put_bytes("work/2", b"")
    assert storage.delete("work/1/points/2") == 1
    assert sorted(os.listdir(root / "work")) == ["2"]
    assert storage.delete("work") == 1
    assert root.is_dir()
    assert not os.listdir(root)


def test_what_a_killed_writer_left_is_found_by_its_age(storage: FolderStorage, root: Path) -> None:
    storage.put_bytes("work/1", b"")
    (root / "work" / ".rushes-1.tmp").write_bytes(b"half")
    (root / "work" / ".other").touch()
    now = datetime.now(UTC)
    assert not list(storage.leftovers(now - timedelta(hours=1)))
    (leftover,) = storage.leftovers(now + timedelta(hours=1))
    assert (leftover.key, leftover.size) == ("work/.rushes-1.tmp", 4)
    storage.remove_leftover(leftover)
    assert sorted(os.listdir(root / "work")) == [".other", "1"]


def test_a_storage_that_cannot_be_used_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    storage = FolderStorage(tmp_path / "file" / "storage")
    with pytest.raises(
        StorageUnreachableError, match="check that the folder exists and that this user may"
    ):
        storage.put_bytes("a", b"")
    assert storage.entry("a") is None
    assert not list(storage.list())


def test_a_copy_that_cannot_be_written_names_its_file(
    storage: FolderStorage, tmp_path: Path
) -> None:
    storage.put_bytes("a", b"content")
    with pytest.raises(InputError, match="none/copy: cannot be written"):
        storage.get_file("a", tmp_path / "none" / "copy")

"""Files by their content: stored once, fetched once, and never other than their hash says."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from rushes.errors import InputError, MissingFileError
from rushes_queue.storage.blobs import BlobRef, blob_key, fetch_blob, put_blob
from rushes_queue.storage.errors import DamagedBlobError, MissingKeyError
from rushes_queue.storage.folder import FolderStorage
from rushes_queue.storage.source_file import SourceFile

CONTENT = b"a clip"
HASH = sha256(CONTENT).hexdigest()
KEY = f"blobs/{HASH[:2]}/{HASH}"


class Counting(FolderStorage):
    """A folder that notes what is written into it and fetched from it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.done: list[str] = []

    def put_source(self, key: str, source: SourceFile, *, is_private: bool = False) -> None:
        self.done.append("put")
        super().put_source(key, source, is_private=is_private)

    def touch(self, key: str) -> None:
        self.done.append("touch")
        super().touch(key)

    def get_file(self, key: str, path: Path) -> None:
        self.done.append("get")
        super().get_file(key, path)


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "storage")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CONTENT)
    return path


def test_a_file_lies_under_its_hash(counting: Counting, clip: Path) -> None:
    ref = put_blob(counting, clip)
    assert ref == BlobRef(sha256=HASH, size=len(CONTENT), name="clip.mp4")
    assert blob_key(ref.sha256) == KEY
    assert counting.get_bytes(KEY) == CONTENT


def test_the_same_content_is_stored_once(counting: Counting, clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other name.mov"
    other.write_bytes(CONTENT)
    assert put_blob(counting, clip).sha256 == put_blob(counting, other).sha256
    assert counting.done == ["put"]


def test_what_was_stored_long_ago_is_marked_as_used(counting: Counting, clip: Path) -> None:
    put_blob(counting, clip)
    long_ago = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(counting.folder / KEY, (long_ago, long_ago))
    put_blob(counting, clip)
    put_blob(counting, clip)
    assert counting.done == ["put", "touch"]
    entry = counting.entry(KEY)
    assert entry is not None
    assert datetime.now(UTC) - entry.modified < timedelta(minutes=1)


@pytest.mark.parametrize(("content", "again"), [(b"cut", False), (b"b clip", True)])
def test_a_damaged_blob_is_mended(
    counting: Counting, clip: Path, content: bytes, again: bool
) -> None:
    """One of another size at once, one of the same size when it is asked for."""
    put_blob(counting, clip)
    counting.put_bytes(KEY, content)
    put_blob(counting, clip, again=again)
    assert counting.get_bytes(KEY) == CONTENT


def test_a_storage_that_keeps_less_than_it_was_given_is_refused(clip: Path, tmp_path: Path) -> None:
    class Losing(FolderStorage):
        def put_source(self, key: str, source: SourceFile, *, is_private: bool = False) -> None:
            self.put_bytes(key, source.read()[:3])

    with pytest.raises(DamagedBlobError, match=r"kept 3 of 6 bytes; do not use it"):
        put_blob(Losing(tmp_path / "losing"), clip)


def test_what_cannot_be_stored_is_named(counting: Counting, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.mp4"):
        put_blob(counting, tmp_path / "none.mp4")
    (tmp_path / "a\nb.mp4").touch()
    with pytest.raises(InputError, match=r"its name must be one line of text .*; rename it"):
        put_blob(counting, tmp_path / "a\nb.mp4")
    assert counting.done == []


def test_a_blob_is_fetched_once_and_keeps_its_extension(
    counting: Counting, clip: Path, tmp_path: Path
) -> None:
    ref = put_blob(counting, clip)
    first = fetch_blob(counting, ref, tmp_path / "cache")
    assert first == tmp_path / "cache" / HASH[:2] / f"{HASH}.mp4"
    assert first.read_bytes() == CONTENT
    assert fetch_blob(counting, ref, tmp_path / "cache") == first
    assert counting.done == ["put", "get"]
    assert os.listdir(first.parent) == [first.name]


@pytest.mark.parametrize("damage", [b"a film", b"cut"])
def test_a_fetched_file_that_is_damaged_is_fetched_again(
    counting: Counting, clip: Path, tmp_path: Path, damage: bytes
) -> None:
    ref = put_blob(counting, clip)
    fetch_blob(counting, ref, tmp_path / "cache").write_bytes(damage)
    assert fetch_blob(counting, ref, tmp_path / "cache").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "name", ["clip", "clip.", "clip.m p4", "clip.averylongextension", "clip.é"]
)
def test_an_extension_that_is_none_is_left_out(
    counting: Counting, clip: Path, tmp_path: Path, name: str
) -> None:
    ref = put_blob(counting, clip).model_copy(update={"name": name})
    assert fetch_blob(counting, ref, tmp_path / "cache").name == HASH


def test_other_content_in_the_storage_is_refused_and_not_kept(
    counting: Counting, clip: Path, tmp_path: Path
) -> None:
    ref = put_blob(counting, clip)
    counting.put_bytes(KEY, b"a film")
    with pytest.raises(DamagedBlobError, match=r"holds other content .* submit the job again"):
        fetch_blob(counting, ref, tmp_path / "cache")
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_content_that_is_gone_is_told_by_the_name_of_its_file(
    counting: Counting, tmp_path: Path
) -> None:
    ref = BlobRef(sha256=HASH, size=6, name="clip.mp4")
    with pytest.raises(MissingKeyError, match=r"clip\.mp4: its content .* submit it again"):
        fetch_blob(counting, ref, tmp_path / "cache")


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "F" * 64},
        {"sha256": "f" * 63},
        {"sha256": "../" + "f" * 61},
        {"size": -1},
        {"size": 2**51},
        {"name": "a/b"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_reference_of_a_stranger_is_checked(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BlobRef.model_validate({"sha256": HASH, "size": 6, "name": "clip.mp4"} | change)


def test_only_the_owner_and_the_group_can_read_a_blob_in_a_folder(
    clip: Path, tmp_path: Path
) -> None:
    put_blob(FolderStorage(tmp_path / "storage"), clip)
    assert (tmp_path / "storage" / KEY).stat().st_mode & 0o777 == 0o640

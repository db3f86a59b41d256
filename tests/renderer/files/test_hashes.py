"""Hashes of files, remembered while the file stays as it is; and files written whole or not."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from rushes.errors import VideoError
from rushes.files.hashes import HashCache, sha256_of
from rushes.files.publish import write_atomically


def write(path: Path, content: bytes, mtime: int = 1_000_000_000) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(mtime, mtime))
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache_file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "hashes.json"


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_the_hash_is_that_of_the_content(size: int, tmp_path: Path) -> None:
    content = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
    path = write(tmp_path / "file", content[:size])
    assert sha256_of(path) == sha256(content[:size])


def test_a_file_is_not_read_again_while_size_and_time_stay(
    tmp_path: Path, cache_file: Path
) -> None:
    path = write(tmp_path / "file", b"one")
    assert HashCache(cache_file).sha256(path) == sha256(b"one")
    write(path, b"two")  # same size, same time: as far as anybody can see the same file
    assert HashCache(cache_file).sha256(path) == sha256(b"one")


@pytest.mark.parametrize(
    ("content", "mtime"), [(b"two", 2_000_000_000), (b"longer", 1_000_000_000)]
)
def test_a_file_that_changed_is_read_again(
    content: bytes, mtime: int, tmp_path: Path, cache_file: Path
) -> None:
    cache = HashCache(cache_file)
    path = write(tmp_path / "file", b"one")
    cache.sha256(path)
    write(path, content, mtime)
    assert cache.sha256(path) == sha256(content)


def test_two_caches_on_one_file_keep_each_others_entries(tmp_path: Path, cache_file: Path) -> None:
    files = [write(tmp_path / name, name.encode()) for name in ("a", "b")]
    for cache, file in zip([HashCache(cache_file), HashCache(cache_file)], files, strict=True):
        cache.sha256(file)
    for file in files:
        write(file, b"x")
    assert [HashCache(cache_file).sha256(file) for file in files] == [sha256(b"a"), sha256(b"b")]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"x": 1}', b"\xff\x00"], ids=repr)
def test_a_damaged_cache_is_begun_anew(damage: bytes, tmp_path: Path, cache_file: Path) -> None:
    cache_file.parent.mkdir()
    path = write(tmp_path / "file", b"one")
    cache_file.write_bytes(damage)
    assert HashCache(cache_file).sha256(path) == sha256(b"one")
    assert HashCache(cache_file).sha256(path) == sha256(b"one")


def test_an_entry_of_another_form_is_not_trusted(tmp_path: Path, cache_file: Path) -> None:
    path = write(tmp_path / "file", b"one")
    cache_file.parent.mkdir()
    cache_file.write_text(f'{{"{path.resolve()}": "0000"}}')
    assert HashCache(cache_file).sha256(path) == sha256(b"one")


def test_a_file_is_written_whole_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    write_atomically(path, b"content")
    write_atomically(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert os.listdir(path.parent) == ["file"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(VideoError, match="file: is a folder"):
        write_atomically(target, b"content")
    assert os.listdir(tmp_path) == ["file"]

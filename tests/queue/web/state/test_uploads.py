"""What browsers send: whole or not at all, by its hash, and not for ever."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rushes.errors import ConfigError, MissingFileError
from rushes_queue.web.state.uploads import Upload, Uploads, put_beside


async def _parts(*parts: bytes, fails: bool = False) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if fails:
        raise ConnectionError("gone")


def take(uploads: Uploads, *parts: bytes, name: str = "a.mp4", fails: bool = False) -> Upload:
    return asyncio.run(uploads.take(name, _parts(*parts, fails=fails)))


def test_a_file_is_found_by_its_hash(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "up", 100)
    sent = take(uploads, b"ab", b"c")
    assert sent == Upload(hashlib.sha256(b"abc").hexdigest(), 3, "a.mp4")
    assert uploads.path(sent.sha256).read_bytes() == b"abc"
    assert take(uploads, b"abc") == sent


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "up", 100)
    with pytest.raises(ConnectionError):
        take(uploads, b"ab", fails=True)
    assert list((tmp_path / "up").iterdir()) == []


@pytest.mark.parametrize("sha256", ["0" * 64, "../x", "", "x" * 64, "../" + "0" * 61])
def test_what_was_not_sent_is_not_here(tmp_path: Path, sha256: str) -> None:
    with pytest.raises(MissingFileError, match="send it again"):
        Uploads(tmp_path / "up", 100).path(sha256)


def test_names_must_be_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="file name without a folder"):
        take(Uploads(tmp_path / "up", 100), b"x", name="a/b")


def test_old_uploads_go_and_then_the_oldest_of_too_many(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "up", 100)
    ages = {b"a" * 100: 90_000, b"b" * 300: 200, b"c" * 150: 100}
    sent = {content: take(uploads, content).sha256 for content in ages}
    for content, age in ages.items():
        when = time.time() - age
        os.utime(tmp_path / "up" / sent[content], (when, when))
    last = take(uploads, b"d").sha256
    left = {path.name for path in (tmp_path / "up").iterdir()}
    assert left == {sent[b"c" * 150], last}


def test_a_second_name_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    put_beside(tmp_path / "a", tmp_path / "new" / "b")
    assert (tmp_path / "a").samefile(tmp_path / "new" / "b")

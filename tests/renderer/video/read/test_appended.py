"""Takes appended byte by byte are all played, whatever their container knows of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from renders.clips import numbered, read_numbers, write_clip
from rushes.video.read.appended import starts_of_takes
from rushes.video.read.probe import probe_video

COUNT = 16


def appended(folder: Path, name: str, takes: int) -> Path:
    """Write one take of numbered frames so many times, byte behind byte."""
    path = folder / name
    codec = "libvpx" if path.suffix == ".webm" else "libx264"
    take = write_clip(folder / f"take{path.suffix}", numbered(COUNT), codec=codec).read_bytes()
    path.write_bytes(take * takes)
    return path


@pytest.mark.parametrize("takes", [2, 3])
@pytest.mark.parametrize(
    "name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.flv", "a.ts", "it's 100% [a].mp4"]
)
def test_every_take_is_played(tmp_path: Path, name: str, takes: int) -> None:
    path = appended(tmp_path, name, takes)
    info = probe_video(path)
    assert info.num_frames == takes * COUNT
    assert float(info.duration) == pytest.approx(takes, abs=0.2 * takes)
    shown = read_numbers(path, takes * COUNT)
    assert max(shown[-4:]) >= COUNT - 2
    assert sum(later < earlier for earlier, later in pairwise(shown)) == takes - 1


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.flv"])
def test_a_file_of_one_take_is_opened_as_it_is(tmp_path: Path, name: str) -> None:
    assert starts_of_takes(appended(tmp_path, name, 1)) == []


def test_what_was_joined_is_said(tmp_path: Path) -> None:
    (remark,) = probe_video(appended(tmp_path, "a.mp4", 3)).remarks()
    assert remark.endswith("a.mp4: 3 takes are appended; played one after another")


@pytest.mark.parametrize(
    "head", [b"\0\0\0\x08ftypmoov", b"\x1aE\xdf\xa3\xff\xff", b"FLV\x01", b"RI"]
)
def test_a_damaged_head_is_one_take_at_most(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(head + b"\0" * 40)
    assert starts_of_takes(path) == []

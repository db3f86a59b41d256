"""Takes appended byte by byte are all played, whatever their container knows of them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from renders.clips import numbered, numbers, open_reader, read_numbers, write_clip
from rushes.errors import InputError
from rushes.video.read import appended as appended_takes
from rushes.video.read import probe
from rushes.video.read.appended import parts_of
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


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.flv", "a.mkv"])
def test_a_file_of_one_take_is_opened_as_it_is(tmp_path: Path, name: str) -> None:
    assert parts_of(appended(tmp_path, name, 1)) == ()


def test_what_was_joined_is_said(tmp_path: Path) -> None:
    (remark,) = probe_video(appended(tmp_path, "a.mp4", 3)).remarks()
    assert remark.endswith("a.mp4: 3 takes are appended; played one after another")


@pytest.mark.parametrize(
    "head", [b"\0\0\0\x08ftypmoov", b"\x1aE\xdf\xa3\xff\xff", b"FLV\x01", b"RI"]
)
def test_a_damaged_head_is_one_take_at_most(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(head + b"\0" * 40)
    assert parts_of(path) == ()


def join(path: Path, *takes: Path) -> Path:
    path.write_bytes(b"".join(take.read_bytes() for take in takes))
    return path


OTHER_CODECS = {
    ".mp4": "mpeg4",
    ".mov": "mpeg4",
    ".mkv": "ffv1",
    ".avi": "mpeg4",
    ".flv": "flv",
    ".ts": "mpeg2video",
}


@pytest.mark.parametrize("suffix", OTHER_CODECS)
def test_takes_of_another_size_codec_and_rate_play_at_their_own_pace(
    tmp_path: Path, suffix: str
) -> None:
    takes = [
        write_clip(tmp_path / f"1{suffix}", numbered(16)),
        write_clip(tmp_path / f"2{suffix}", numbered(16, 48, 64)),
        write_clip(tmp_path / f"3{suffix}", numbered(16), codec=OTHER_CODECS[suffix]),
        write_clip(tmp_path / f"4{suffix}", numbered(32), fps=Fraction(32)),
    ]
    path = join(tmp_path / f"all{suffix}", *takes)
    info = probe_video(path)
    assert info.num_frames == 80
    assert float(info.duration) == pytest.approx(4, abs=0.1)
    assert " fps, then " in info.remarks()[0]
    shown = read_numbers(path, 64)
    assert np.abs(np.array(shown[:48]) - [*range(16)] * 3).max() <= 1
    assert shown[48:] == pytest.approx(range(0, 32, 2), abs=2)
    assert read_numbers(path, 80, one_to_one=True)[64] == pytest.approx(16, abs=1)


def test_a_jump_to_any_take_shows_what_reading_up_to_there_shows(tmp_path: Path) -> None:
    path = appended(tmp_path, "a.mkv", 6)  # more than stay open
    with open_reader(path, at_end="loop") as reader:
        whole = numbers(reader.read(0, 7 * COUNT))
        for first in (70, 20, 90, 3, 100):
            assert numbers(reader.read(first, 4)) == whole[first : first + 4]


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
@pytest.mark.parametrize("lengths", [(False, False, False), (True, False, True, False)], ids=str)
def test_takes_of_matroska_without_a_length_all_play(
    tmp_path: Path, suffix: str, lengths: tuple[bool, ...]
) -> None:
    codec = "libx264" if suffix == ".mkv" else "libvpx"
    takes = [
        write_clip(
            tmp_path / f"{index}{suffix}",
            numbered(COUNT),
            codec=codec,
            muxer_options={} if is_known else {"live": "1"},
        )
        for index, is_known in enumerate(lengths)
    ]
    info = probe_video(join(tmp_path / f"all{suffix}", *takes))
    assert (info.num_frames, len(info.takes)) == (COUNT * len(takes), len(takes))


def test_takes_of_different_containers_play(tmp_path: Path) -> None:
    takes = [write_clip(tmp_path / f"1{suffix}", numbered(COUNT)) for suffix in (".mp4", ".mkv")]
    takes.append(write_clip(tmp_path / "1.avi", numbered(COUNT), codec="mpeg4"))
    assert probe_video(join(tmp_path / "all", *takes)).num_frames == 3 * COUNT


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_last_take_that_is_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    take = write_clip(tmp_path / f"1{suffix}", numbered(COUNT)).read_bytes()
    path = tmp_path / f"all{suffix}"
    path.write_bytes(take * 2 + take[: len(take) * 2 // 3])
    with pytest.raises(InputError, match=r"\(take 3, from byte [\d,]+ on\): .*, or end the file"):
        probe_video(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".flv", ".ts"])
def test_damage_anywhere_ends_in_parts_that_lie_in_the_file(tmp_path: Path, suffix: str) -> None:
    path = appended(tmp_path, f"a{suffix}", 2)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    random = np.random.default_rng(5)
    for _ in range(60):
        damaged = whole.copy()
        places = random.integers(0, len(whole), 40)
        damaged[places] = random.integers(0, 256, 40, np.uint8)
        path.write_bytes(damaged[: random.integers(1, len(whole) + 1)].tobytes())
        parts = parts_of(path)
        assert [part.start for part in parts] == sorted({part.start for part in parts})
        assert all(0 <= part.start < part.end <= path.stat().st_size for part in parts)


def test_takes_beyond_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appended_takes, "MOST_TAKES", 2)
    monkeypatch.setattr(probe, "MOST_TAKES", 2)
    with pytest.raises(InputError, match="holds more than 2 takes"):
        probe_video(appended(tmp_path, "a.mp4", 3))

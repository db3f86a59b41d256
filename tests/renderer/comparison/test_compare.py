"""Results compared: measures of known pictures, and what the video of all of them shows."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import rushes
from renders.clips import write_clip
from rushes.errors import ConfigError, ConflictError, MissingFileError
from rushes.metrics.likeness import BEST_PSNR
from rushes.video.read.probe import probe_video
from rushes.video.read.reader import VideoReader

FPS = Fraction(16)


def grey(path: Path, level: int, count: int = 4, height: int = 32, width: int = 64) -> Path:
    return write_clip(path, np.full((count, height, width, 3), level, np.uint8), fps=FPS)


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey(tmp_path_factory.mktemp("clips") / "dark.mp4", 60)


@pytest.fixture(scope="module")
def bright(dark: Path) -> Path:
    return grey(dark.with_name("bright.mp4"), 200, count=6)


def frames_of(path: Path) -> NDArray[np.uint8]:
    info = probe_video(path)
    with VideoReader(path, fps=info.fps, height=info.height, width=info.width) as reader:
        return reader.read(0, info.num_frames)


def test_each_is_measured_and_the_others_against_the_first(dark: Path, bright: Path) -> None:
    found = rushes.compare([dark, dark, bright])
    assert set(found.measures[0]) == {"flicker", "drift"}
    assert found.measures[1]["psnr_to_first"] == BEST_PSNR
    assert found.measures[2]["psnr_to_first"] == pytest.approx(
        20 * np.log10(255 / 140), abs=0.3
    )  # 140 levels apart


def test_a_reference_adds_the_measures_of_eval(dark: Path, bright: Path) -> None:
    first, second = rushes.compare([dark, bright], reference=dark).measures
    assert first["psnr"] == BEST_PSNR
    assert second["psnr"] == pytest.approx(second["psnr_to_first"], abs=0.1)
    assert "warp_error" in first


def test_side_by_side_shows_every_video_to_the_end_of_the_longest(
    dark: Path, bright: Path, tmp_path: Path
) -> None:
    rushes.compare([dark, bright, dark], tmp_path / "all.mp4")
    frames = frames_of(tmp_path / "all.mp4")
    assert len(frames) == 6
    height, width = frames.shape[1:3]
    assert height - 28 >= 360
    pictures = frames[-1, 100:]
    thirds = [pictures[:, round(width * (2 * k + 1) / 6)].mean() for k in range(3)]
    assert thirds == pytest.approx([60, 200, 60], abs=4)
    assert frames[0, :28].max() > 200  # the names


def test_a_wipe_shows_the_first_left_and_the_second_right_of_a_line(
    dark: Path, bright: Path, tmp_path: Path
) -> None:
    rushes.compare([dark, bright], tmp_path / "wipe.mp4", layout="wipe")
    row = frames_of(tmp_path / "wipe.mp4")[0, 200].mean(axis=1)
    assert row[20] == pytest.approx(60, abs=4)
    assert row[-20] == pytest.approx(200, abs=4)


def test_differences_come_from_the_manifests_beside(tmp_path: Path) -> None:
    videos = [grey(tmp_path / f"{name}.mp4", 60) for name in "ab"]
    for seed, video in enumerate(videos):
        content = {"seed": seed, "frames_sha256": "same"}
        video.with_name(f"{video.name}.json").write_text(json.dumps(content))
    found = rushes.compare(videos)
    assert found.are_same_frames is True
    assert [(each.field, each.values) for each in found.differences] == [("seed", (0, 1))]
    assert json.loads(json.dumps(found.to_dict()))["differences"][0]["values"] == [0, 1]


def test_without_a_manifest_nobody_knows_whether_the_frames_are_the_same(
    dark: Path, bright: Path
) -> None:
    found = rushes.compare([dark, bright])
    assert found.are_same_frames is None
    assert found.without_manifest == (dark, bright)


def test_what_cannot_be_compared_is_said(dark: Path, bright: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 videos"):
        rushes.compare([dark])
    with pytest.raises(ConfigError, match="a wipe shows two"):
        rushes.compare([dark, bright, dark], tmp_path / "wipe.mp4", layout="wipe")
    with pytest.raises(MissingFileError):
        rushes.compare([dark, tmp_path / "none.mp4"])
    with pytest.raises(ConfigError, match="is one of the videos"):
        rushes.compare([dark, bright], dark, force=True)
    (tmp_path / "there.mp4").write_bytes(b"x")
    with pytest.raises(ConflictError):
        rushes.compare([dark, bright], tmp_path / "there.mp4")
    assert (tmp_path / "there.mp4").read_bytes() == b"x"

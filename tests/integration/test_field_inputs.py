"""Video files that people brought, with their right answers; they stay in ``$FIELD_DIR``."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from checkout import ROOT
from rushes.video.read.fit import Deinterlace
from rushes.video.read.probe import VideoInfo, probe_video
from rushes.video.read.reader import VideoReader

FIELD = Path(os.environ.get("FIELD_DIR", ROOT.parent / "shared" / "field"))

pytestmark = pytest.mark.skipif(not FIELD.is_dir(), reason=f"{FIELD} is not here")


def videos(case: str) -> list[Path]:
    return sorted(path for path in FIELD.glob(f"*-{case}/*") if path.suffix != ".json")


def frames(
    info: VideoInfo, count: int = 1000, deinterlace: Deinterlace = "auto"
) -> NDArray[np.uint8]:
    with VideoReader(
        info.path,
        fps=info.fps,
        height=info.height,
        width=info.width,
        at_end="stop",
        deinterlace=deinterlace,
    ) as reader:
        return reader.read(0, count)


@pytest.mark.parametrize("video", videos("hdr-input"), ids=str)
def test_a_pure_colour_of_hdr_is_tone_mapped(video: Path) -> None:
    info = probe_video(video)
    wanted = (255, 0, 0) if "red" in video.name else None
    found = frames(info)[0].reshape(-1, 3).mean(0)
    if wanted is not None:
        assert np.abs(found - wanted).max() <= 12
    assert any("tone-mapped to BT.709" in remark for remark in info.remarks())


@pytest.mark.parametrize("video", videos("interlaced-input"), ids=str)
def test_interlaced_frames_are_made_whole(video: Path) -> None:
    info = probe_video(video)
    assert any("deinterlaced" in remark for remark in info.remarks())
    whole, woven = frames(info), frames(info, deinterlace="off")
    assert len(whole) == len(woven) == info.num_frames
    assert not np.array_equal(whole, woven)


@pytest.mark.parametrize("video", videos("timestamps-restart"), ids=str)
def test_takes_appended_byte_by_byte_all_play(video: Path) -> None:
    info = probe_video(video)
    assert float(info.duration) == pytest.approx(2, abs=0.05)
    found = frames(info)
    assert not np.array_equal(found[0], found[-1])
    assert len(found) == info.num_frames
    assert info.takes or info.jumps


@pytest.mark.parametrize("video", videos("ts-gap"), ids=str)
def test_a_jump_of_time_stamps_closes_with_a_remark(video: Path) -> None:
    info = probe_video(video)
    assert float(info.duration) == pytest.approx(2.1, abs=0.15)
    assert any("time stamps jump" in remark for remark in info.remarks())


@pytest.mark.parametrize("video", videos("wrong-video-stream"), ids=str)
def test_the_best_stream_is_taken(video: Path) -> None:
    info = probe_video(video)
    assert (info.width, info.height) == (160, 96)
    assert info.num_frames > 1

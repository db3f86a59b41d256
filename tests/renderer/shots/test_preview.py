"""Plans that are only looked at."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import rushes
from renders.shots import moving, timeline, write_clip, write_timeline
from rushes.errors import InputError, MissingFileError
from rushes.presets.preset import Preset
from rushes.shots.preview import preview_plan
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.read.load import load_timeline


def test_the_input_that_a_timeline_names_must_be_here(tmp_path: Path, preset: Preset) -> None:
    document = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]})
    file = write_timeline(tmp_path / "shot.json", document)
    loaded = load_timeline(file).require()
    with pytest.raises(InputError, match=r"clip\.mp4: there is no such input file"):
        preview_plan(loaded, file, preset, PlanOptions())
    other = write_clip(tmp_path / "other.mp4")
    assert preview_plan(loaded, file, preset, PlanOptions(), video=other)[1] == other
    clip = write_clip(tmp_path / "clip.mp4")
    assert preview_plan(loaded, file, preset, PlanOptions())[1] == clip
    with pytest.raises(MissingFileError):
        preview_plan(loaded, file, preset, PlanOptions(), video=tmp_path / "none.mp4")


def test_a_plan_is_made_without_an_input_that_nobody_names(tmp_path: Path, preset: Preset) -> None:
    file = write_timeline(tmp_path / "shot.json", timeline(mode="video"))
    plan, video = preview_plan(load_timeline(file).require(), file, preset, PlanOptions())
    assert plan.takes_input
    assert video is None


@pytest.mark.parametrize(("num_frames", "is_enough"), [(9, True), (8, False)])
def test_a_video_that_a_clip_begins_with_is_long_enough(
    tmp_path: Path, num_frames: int, is_enough: bool
) -> None:
    clip = write_clip(tmp_path / "start.mp4", moving(num_frames), fps=Fraction(16))
    shot = write_timeline(tmp_path / "shot.json", timeline())
    options: dict[str, Any] = {"preset": "self-forcing-tiny", "mode": "text", "first_frame": clip}
    if is_enough:
        assert rushes.plan(shot, **options).chunks[0].num_frames == 9
        return
    with pytest.raises(InputError, match="has 8 frames at 16 a second, and the render begins"):
        rushes.plan(shot, **options)

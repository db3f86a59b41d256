"""Plans that are only looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from renders.shots import timeline, write_clip, write_timeline
from rushes.errors import MissingFileError
from rushes.presets.preset import Preset
from rushes.shots.preview import preview_plan
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.read.load import load_timeline


def test_a_plan_is_made_without_the_input_that_its_timeline_names(
    tmp_path: Path, preset: Preset
) -> None:
    document = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]})
    file = write_timeline(tmp_path / "shot.json", document)
    loaded = load_timeline(file).require()
    plan, video = preview_plan(loaded, file, preset, PlanOptions())
    assert video is None
    assert plan.warnings[-1] == f"{file}: its input {tmp_path / 'clip.mp4'} is not here"
    clip = write_clip(tmp_path / "clip.mp4")
    plan, video = preview_plan(loaded, file, preset, PlanOptions())
    assert video == clip
    assert not any("is not here" in warning for warning in plan.warnings)
    with pytest.raises(MissingFileError):
        preview_plan(loaded, file, preset, PlanOptions(), video=tmp_path / "none.mp4")

"""Plans that are only looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from renders.shots import timeline, write_clip, write_timeline
from rushes.errors import InputError, MissingFileError
from rushes.presets.preset import Preset
from rushes.shots.preview import preview_plan
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.read.load import load_timeline


def test_the_input_that_a_timeline_names_must_be_here(tmp_path: Path, preset: Preset) -> None:
    document = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]})
    file = write_timeline(tmp_path / "shot.json", document)
    loaded = load_timeline(file).require()
    with pytest.raises(InputError, match=r"clip\.mp4: there is no such file, which is the input"):
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

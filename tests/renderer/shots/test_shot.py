"""Takes of a timeline planned, with the input that belongs to them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from renders.shots import timeline, write_clip, write_timeline
from rushes.errors import ConfigError, InputError, MissingFileError
from rushes.presets.preset import Preset
from rushes.shots.shot import Shot, plan_shots, refuse_contradictions
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.read.load import load_timeline

NAMED = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]})


def shots(
    folder: Path, preset: Preset, document: dict[str, Any], *seeds: int | None, **more: Any
) -> list[Shot]:
    file = write_timeline(folder / "shot.json", document)
    options = [PlanOptions(seed=seed, **more.pop("options", {})) for seed in seeds or (None,)]
    return plan_shots(load_timeline(file).require(), file, preset, options, **more)


def test_the_input_that_a_timeline_names_lies_beside_it(tmp_path: Path, preset: Preset) -> None:
    clip = write_clip(tmp_path / "clip.mp4", fps=Fraction(24))
    (shot,) = shots(tmp_path, preset, NAMED)
    assert shot.request.input == clip
    assert shot.plan.fps == shot.request.options.input_fps == 24
    assert shot.request.options.input_frames == 21


def test_an_input_that_is_given_counts_more(tmp_path: Path, preset: Preset) -> None:
    clip = write_clip(tmp_path / "other.mp4", fps=Fraction(8))
    (shot,) = shots(tmp_path, preset, NAMED, video=clip)
    assert shot.request.input == clip
    assert shot.plan.fps == 8


def test_text_to_video_leaves_the_input_of_the_timeline_alone(
    tmp_path: Path, preset: Preset
) -> None:
    (shot,) = shots(tmp_path, preset, NAMED, options={"mode": "text"})
    assert shot.request.input is None


def test_an_input_that_is_not_here_is_refused(tmp_path: Path, preset: Preset) -> None:
    with pytest.raises(InputError, match=r"clip\.mp4"):
        shots(tmp_path, preset, NAMED)
    with pytest.raises(MissingFileError, match=r"clip\.mp4"):
        shots(tmp_path, preset, NAMED, video=tmp_path / "clip.mp4")


def test_takes_differ_in_seed_number_and_name(tmp_path: Path, preset: Preset) -> None:
    made = shots(tmp_path, preset, timeline(), 7, 8, output=Path("a.mp4"), codec="h265")
    assert (
        [shot.plan.seed for shot in made] == [shot.request.options.seed for shot in made] == [7, 8]
    )
    assert [shot.take for shot in made] == [0, 1]
    assert [str(shot.request.output) for shot in made] == ["a-7.mp4", "a-8.mp4"]
    assert {shot.request.codec for shot in made} == {"h265"}


def test_an_input_that_would_not_be_looked_at_is_refused(tmp_path: Path, preset: Preset) -> None:
    (shot,) = shots(tmp_path, preset, timeline(), video=write_clip(tmp_path / "clip.mp4"))
    with pytest.raises(ConfigError, match="is text to video"):
        refuse_contradictions(shot.request, shot.plan)

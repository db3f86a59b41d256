"""What a plan has to know of its input."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from renders.shots import write_clip
from rushes.errors import MissingFileError
from rushes.shots.inputs import with_input
from rushes.timeline.plan.options import PlanOptions


def test_without_a_video_options_stay_as_they_are(tmp_path: Path) -> None:
    options = PlanOptions(seed=7)
    assert with_input(options, None, tmp_path) == (options, ())


def test_rate_and_length_are_those_of_the_input_else_of_the_control_video(tmp_path: Path) -> None:
    write_clip(tmp_path / "control.mp4", fps=Fraction(8))
    clip = write_clip(tmp_path / "clip.mp4", fps=Fraction(24))
    options = PlanOptions(control="control.mp4")
    assert with_input(options, None, tmp_path)[0].input_fps == 8
    known, remarks = with_input(options, clip, tmp_path)
    assert remarks == ()
    assert known.input_fps == 24
    assert known.input_frames == 21
    assert known.input_duration == Fraction(21, 24)


def test_a_video_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.mp4"):
        with_input(PlanOptions(), tmp_path / "none.mp4", tmp_path)

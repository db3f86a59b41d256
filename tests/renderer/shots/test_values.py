"""Keyword arguments of the public functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.rendering.request import RenderRequest
from rushes.shots.values import PlanValues, ResultValues, plan_options, split_values
from rushes.timeline.plan.options import PlanOptions


def test_keyword_arguments_are_the_fields_of_plans_and_requests() -> None:
    of_the_input = {"input_fps", "input_frames", "input_duration"}
    assert set(PlanValues.__annotations__) == set(PlanOptions.model_fields) - of_the_input
    given_otherwise = {"timeline", "output", "input", "options", "preset"}
    assert set(ResultValues.__annotations__) == set(RenderRequest.model_fields) - given_otherwise


def test_files_that_steer_are_seen_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = plan_options(control="a.mp4", references=["b.png", Path("/c.png")], mask=None)
    assert options.control == str(tmp_path / "a.mp4")
    assert options.references == (str(tmp_path / "b.png"), "/c.png")
    assert options.mask is options.first_frame is None


def test_options_are_told_apart() -> None:
    assert split_values({"fps": 24, "codec": "av1", "seed": 1}) == (
        {"fps": 24, "seed": 1},
        {"codec": "av1"},
    )

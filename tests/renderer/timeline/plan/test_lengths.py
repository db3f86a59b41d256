"""The frame rate of a result, and how many frames it has."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from renders.plans import (
    chain,
    document,
    plan,
)
from rushes.errors import ConfigError
from rushes.presets.preset import Preset


class TestRateAndLength:
    def test_the_rate_is_the_options_then_the_files_then_the_inputs(self, preset: Preset) -> None:
        data = document(*chain(0, 2), ext={"output": {"fps": 24}})
        assert plan(data, preset, fps=10, input_fps=30).fps == 10
        assert plan(data, preset, input_fps=30).fps == 24
        assert plan(document(*chain(0, 2)), preset, input_fps="30000/1001").fps == Fraction(
            30000, 1001
        )
        assert plan(document(*chain(0, 2)), preset).fps == 16

    def test_text_mode_does_not_follow_the_input(self, preset: Preset) -> None:
        assert plan(document(*chain(0, 2), inputMode="text"), preset, input_fps=30).fps == 16

    def test_an_absurd_input_rate_needs_a_choice(self, preset: Preset) -> None:
        with pytest.raises(ConfigError, match="--fps"):
            plan(document(*chain(0, 2)), preset, input_fps=90000)

    @pytest.mark.parametrize(
        ("options", "num_frames"),
        [
            ({}, 160),
            ({"duration": "timeline"}, 160),
            ({"duration": 2.5}, 40),
            ({"duration": 12.3}, 197),
            ({"duration": 20}, 320),
            ({"duration": "input", "input_frames": 81, "input_fps": 16}, 81),
            ({"duration": "input", "input_frames": 81, "input_fps": 24, "fps": 16}, 54),
            ({"duration": "input", "input_duration": Fraction(81, 16)}, 81),
            ({"at_end": "stop", "input_frames": 81, "input_fps": 16}, 81),
            ({"at_end": "stop", "input_frames": 810, "input_fps": 16}, 160),
            ({"at_end": "hold", "input_frames": 81, "input_fps": 16}, 160),
        ],
        ids=str,
    )
    def test_the_length_is_the_timelines_unless_told_otherwise(
        self, preset: Preset, options: dict[str, Any], num_frames: int
    ) -> None:
        assert plan(document(*chain(0, 4, 10)), preset, **options).num_frames == num_frames

    def test_the_inputs_length_needs_an_input(self, preset: Preset) -> None:
        with pytest.raises(ConfigError, match="--input"):
            plan(document(*chain(0, 2)), preset, duration="input")

    def test_more_frames_than_a_job_holds_are_refused(self, preset: Preset) -> None:
        with pytest.raises(ConfigError, match="--duration"):
            plan(document(*chain(0, 604_800)), preset, fps=60)

    def test_a_workflow_without_timeline_takes_the_inputs_length_or_says_what_it_does(
        self, preset: Preset
    ) -> None:
        data = {
            "format": "scope-workflow",
            "format_version": "1.0",
            "pipelines": [{"pipeline_id": "streamdiffusionv2"}],
            "prompts": [{"text": "a boat"}],
        }
        made = plan(data, preset, input_frames=33, input_fps=16)
        assert (made.num_frames, made.warnings) == (33, ())
        assert made.block_times == {0: (0.0, 33 / 16)}
        silent = plan(data, preset)
        assert silent.num_frames == 81
        assert "--duration" in silent.warnings[0]

    def test_the_last_prompts_hold_beyond_the_end(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 2, 4)), preset, duration=10)
        assert made.chunks[-1].prompt_block == 1

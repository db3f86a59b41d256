"""Transitions from prompt block to prompt block, and what restarts the caches."""

from __future__ import annotations

from typing import Any

import pytest

from renders.plans import (
    block,
    chain,
    document,
    entries,
    plan,
    resets,
    weights,
)
from rushes.presets.preset import Preset


class TestTransitions:
    def test_steps_return_overtaking_and_inheritance(self, preset: Preset) -> None:
        slerp, linear = ({"temporalInterpolationMethod": name} for name in ("slerp", "linear"))
        blocks = (
            block(0, 4, "red"),
            block(4, 8, "blue", transitionSteps=4, **slerp),
            block(8, 12, "red", transitionSteps=0),
            block(12, 16, "white", transitionSteps=1, **linear),
            block(16, 16.5, "red", transitionSteps=8, **slerp),
            block(16.5, 20, "blue", transitionSteps=3),
        )
        made = plan(document(*blocks, manageCache=False), preset)
        assert weights(made) == pytest.approx(
            {16: 0, 17: 1 / 3, 18: 2 / 3, 19: 1, 48: 1, 64: 0, 65: 1 / 7, 66: 0, 67: 0.5, 68: 1}
        )
        assert entries(made)[2] == (2, 32, 129)
        assert {made.chunks[48].transition_method} == {"linear"}
        assert {chunk.transition_method for chunk in made.chunks[64:69]} == {"slerp"}
        assert resets(made) == [0]

    def test_the_first_blocks_steps_are_ignored_but_remembered(self, preset: Preset) -> None:
        blocks = block(0, 2, "a", transitionSteps=3), block(2, 4, "b")
        assert list(weights(plan(document(*blocks), preset))) == [8, 9, 10]

    def test_the_steps_of_a_block_that_is_never_shown_are_not_remembered(
        self, preset: Preset
    ) -> None:
        blocks = block(0, 2, "a"), block(2, 2.01, "b", transitionSteps=3), block(2.01, 4, "c")
        assert weights(plan(document(*blocks), preset)) == {}

    def test_the_eager_ramp_moves_from_the_first_chunk_on(self, preset: Preset) -> None:
        blocks = block(0, 2, "a"), block(2, 4, "b", transitionSteps=4)
        made = plan(document(*blocks), preset, ramp="eager")
        assert list(weights(made).values()) == [0.25, 0.5, 0.75, 1.0]

    def test_the_same_prompts_again_change_nothing(self, preset: Preset) -> None:
        blocks = block(0, 2, "a"), block(2, 4, "a", transitionSteps=4), block(4, 6, "a")
        made = plan(document(*blocks), preset)
        assert (weights(made), resets(made)) == ({}, [0])

    def test_the_same_text_with_another_weight_is_a_change(self, preset: Preset) -> None:
        second = block(2, 4, "a") | {"prompts": [{"text": "a", "weight": 50}]}
        assert resets(plan(document(block(0, 2, "a"), second), preset)) == [0, 8]

    def test_a_transition_goes_on_under_a_block_with_the_same_prompts(self, preset: Preset) -> None:
        blocks = (
            block(0, 2, "a"),
            block(2, 2.5, "b", transitionSteps=4),
            block(2.5, 6, "b", transitionSteps=0),
        )
        made = plan(document(*blocks), preset)
        assert list(weights(made)) == [8, 9, 10, 11]

    @pytest.mark.parametrize(
        ("length", "chunks"),
        [
            ({"seconds": 1}, 4),
            ({"seconds": 1.01}, 5),
            ({"frames": 9}, 3),
            ({"chunks": 2}, 2),
            ({"seconds": 0}, 0),
        ],
        ids=str,
    )
    def test_a_length_in_ext_wins_over_the_steps(
        self, preset: Preset, length: dict[str, Any], chunks: int
    ) -> None:
        second = block(2, 6, "b", transitionSteps=9, ext={"transition": length})
        assert len(weights(plan(document(block(0, 2, "a"), second, ext={}), preset))) == chunks

    def test_easing_bends_the_ramp_and_keeps_its_ends(self, preset: Preset) -> None:
        second = block(2, 6, "b", ext={"transition": {"chunks": 5, "ease": "in"}})
        ramp = list(weights(plan(document(block(0, 2, "a"), second, ext={}), preset)).values())
        assert (ramp[0], ramp[-1]) == (0, 1)
        assert all(weight < index / 4 for index, weight in enumerate(ramp[1:4], 1))

    def test_the_jobs_default_comes_after_the_blocks(self, preset: Preset) -> None:
        blocks = block(0, 2, "a"), block(2, 4, "b"), block(4, 6, "c", transitionSteps=2)
        made = plan(document(*blocks), preset, transition_steps=3, transition_method="linear")
        assert list(weights(made)) == [8, 9, 10, 16, 17]
        assert made.chunks[8].transition_method == "linear"

    @pytest.mark.parametrize(("mode", "chunks"), [("text", 4), ("video", 0)])
    def test_kreas_text_mode_starts_from_four_linear_steps(
        self, preset: Preset, mode: str, chunks: int
    ) -> None:
        data = document(*chain(0, 2, 4), pipelineId="krea-realtime-video", inputMode=mode)
        made = plan(data, preset)
        assert len(weights(made)) == chunks
        assert made.chunks[8].transition_method == "linear"


class TestResets:
    @pytest.mark.parametrize(
        ("settings", "options", "expected"),
        [
            ({"inputMode": "video"}, {}, [0, 8]),
            ({"inputMode": "video", "manageCache": False}, {}, [0]),
            ({"inputMode": "text"}, {}, [0]),
            ({"inputMode": "text"}, {"on_prompt_change": "reset"}, [0, 8]),
            ({"inputMode": "video"}, {"on_prompt_change": "keep"}, [0]),
            ({"inputMode": "video", "vaceEnabled": True, "vaceUseInputVideo": True}, {}, [0, 8]),
        ],
        ids=str,
    )
    def test_a_hard_change_resets_by_mode_and_policy(
        self,
        preset: Preset,
        settings: dict[str, Any],
        options: dict[str, Any],
        expected: list[int],
    ) -> None:
        assert resets(plan(document(*chain(0, 2, 4), **settings), preset, **options)) == expected

    @pytest.mark.parametrize(
        ("policy", "is_reset"), [(None, False), ("auto", False), ("reset", True), ("keep", False)]
    )
    def test_a_hard_change_that_cuts_a_transition_short_resets_only_when_told(
        self, preset: Preset, policy: str | None, is_reset: bool
    ) -> None:
        blocks = (
            block(0, 2, "a"),
            block(2, 3, "b", transitionSteps=16),
            block(3, 5, "c", transitionSteps=0),
        )
        made = plan(document(*blocks), preset, on_prompt_change=policy)
        assert made.chunks[12].prompt_block == 2
        assert made.chunks[12].transition is None
        assert made.chunks[12].reset is is_reset

    def test_a_hard_change_right_after_a_transition_resets(self, preset: Preset) -> None:
        blocks = (
            block(0, 2, "a"),
            block(2, 3, "b", transitionSteps=4),
            block(3, 5, "c", transitionSteps=0),
        )
        assert resets(plan(document(*blocks), preset)) == [0, 12]

    @pytest.mark.parametrize(
        ("cache", "options", "expected"),
        [
            ("keep", {}, [0]),
            ("reset", {}, [0, 8]),
            ("auto", {}, [0, 8]),
            ("reset", {"on_prompt_change": "keep"}, [0]),
            ("keep", {"on_prompt_change": "auto"}, [0, 8]),
        ],
        ids=str,
    )
    def test_a_blocks_own_cache_policy_wins_over_all_but_the_command_line(
        self, preset: Preset, cache: str, options: dict[str, Any], expected: list[int]
    ) -> None:
        blocks = block(0, 2, "a"), block(2, 4, "b", ext={"cache": cache})
        assert resets(plan(document(*blocks, ext={}), preset, **options)) == expected

    def test_an_explicit_reset_needs_no_change_of_prompts(self, preset: Preset) -> None:
        blocks = block(0, 2, "a"), block(2, 4, "a", ext={"cache": "reset"})
        data = document(*blocks, ext={}, inputMode="text", manageCache=False)
        assert resets(plan(data, preset)) == [0, 8]

    @pytest.mark.parametrize("mode", ["text", "video"])
    @pytest.mark.parametrize(("manage_cache", "expected"), [(True, [0, 8, 16]), (False, [0])])
    def test_a_change_of_the_steps_resets_when_the_cache_is_managed(
        self, preset: Preset, mode: str, manage_cache: bool, expected: list[int]
    ) -> None:
        middle = block(2, 4, "a", ext={"params": {"denoising_steps": [700, 500, 400]}})
        data = document(
            block(0, 2, "a"),
            middle,
            block(4, 6, "a"),
            ext={},
            inputMode=mode,
            manageCache=manage_cache,
        )
        made = plan(data, preset)
        assert resets(made) == expected
        assert [len(made.chunks[index].denoising_steps) for index in (0, 8, 16)] == [2, 3, 2]
        assert len(made.warnings) == len(expected) - 1

    def test_the_rotary_table_forces_resets(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 600)), preset)
        assert [(c.index, c.first_frame) for c in made.chunks if c.reset] == [
            (0, 0),
            (1022, 4089),
            (2044, 8178),
        ]
        assert max(chunk.position for chunk in made.chunks) == 1022

    def test_the_first_era_forces_them_earlier(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 300)), preset, profile="scope-2025-10")
        assert resets(made)[1] == 511
        assert max(chunk.position for chunk in made.chunks) == 511

    def test_a_forced_reset_does_not_disturb_a_transition(self, preset: Preset) -> None:
        blocks = block(0, 255, "a"), block(255, 300, "b", transitionSteps=9)
        made = plan(document(*blocks), preset)
        assert made.chunks[1022].reset
        assert weights(made)[1022] == pytest.approx(2 / 8)

"""The plan: which chunk shows what, with the worked examples of the three published timelines."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from rushes.errors import ConfigError
from rushes.presets import Preset, load_preset
from rushes.timeline.load import parse_timeline
from rushes.timeline.options import PlanOptions, make_options
from rushes.timeline.plan import plan_render
from rushes.timeline.render_plan import RenderPlan

# Boundaries of the published timelines, clock noise included; the texts are our own.
EVOLUTION = (0, 4.3515, 9.23580000001192, 12.65410000002384, 18.242199999928474, 28.593)
FELINE = (0, 4.7475, 10.0644, 14.9814, 20.058, 24.3043)
PREY = (0, 4.9427999999523164, 12.1267, 19.6105, 30.7512)


@pytest.fixture(scope="module")
def preset() -> Preset:
    return load_preset("tiny")


def block(start: Any, end: Any, text: str, **more: Any) -> dict[str, Any]:
    return {"startTime": start, "endTime": end, "prompts": [{"text": text, "weight": 100}]} | more


def chain(*times: float) -> list[dict[str, Any]]:
    """Adjacent blocks, each with a text of its own."""
    return [
        block(start, end, f"boat {index}") for index, (start, end) in enumerate(pairwise(times))
    ]


def document(*blocks: Any, ext: Any = None, **settings: Any) -> dict[str, Any]:
    data = {"prompts": list(blocks), "settings": settings, "version": "2.1"}
    return data | ({"ext": {"schema": 1} | ext} if ext is not None else {})


def plan(data: dict[str, Any], preset: Preset, **options: Any) -> RenderPlan:
    timeline = parse_timeline(json.dumps(data)).require()
    return plan_render(timeline, PlanOptions(**options), preset)


def entries(made: RenderPlan) -> list[tuple[int, int, int]]:
    """Return (block, chunk, frame) wherever another block takes effect."""
    found: list[tuple[int, int, int]] = []
    for chunk in made.chunks:
        if not found or found[-1][0] != chunk.prompt_block:
            found.append((chunk.prompt_block, chunk.index, chunk.first_frame))
    return found


def resets(made: RenderPlan) -> list[int]:
    return [chunk.index for chunk in made.chunks if chunk.reset]


def weights(made: RenderPlan) -> dict[int, float]:
    return {chunk.index: chunk.transition for chunk in made.chunks if chunk.transition is not None}


@pytest.mark.parametrize(
    ("times", "options", "starts", "totals"),
    [
        (EVOLUTION, {}, [(0, 0), (18, 73), (37, 149), (51, 205), (73, 293)], (458, 115, 461)),
        (
            EVOLUTION,
            {"on_prompt_change": "reset"},
            [(0, 0), (18, 73), (37, 150), (50, 203), (72, 292)],
            (458, 114, 461),
        ),
        (
            EVOLUTION,
            {"fps": 15},
            [(0, 0), (17, 69), (35, 141), (48, 193), (69, 277)],
            (429, 107, 429),
        ),
        (FELINE, {}, [(0, 0), (19, 77), (41, 165), (60, 241), (80, 321)], (389, 97, 389)),
        (
            FELINE,
            {"on_prompt_change": "reset"},
            [(0, 0), (19, 77), (40, 162), (60, 243), (80, 324)],
            (389, 96, 389),
        ),
        (
            FELINE,
            {"fps": 15},
            [(0, 0), (18, 73), (38, 153), (56, 225), (75, 301)],
            (365, 91, 365),
        ),
        (PREY, {}, [(0, 0), (20, 81), (49, 197), (79, 317)], (493, 123, 493)),
        (
            PREY,
            {"on_prompt_change": "reset"},
            [(0, 0), (20, 81), (49, 198), (78, 315)],
            (493, 123, 496),
        ),
        (PREY, {"fps": 15}, [(0, 0), (19, 77), (46, 185), (74, 297)], (462, 116, 465)),
    ],
    ids=lambda value: str(value)[:30],
)
def test_published_timelines_play_as_worked_out_by_hand(
    preset: Preset,
    times: tuple[float, ...],
    options: dict[str, Any],
    starts: list[tuple[int, int]],
    totals: tuple[int, int, int],
) -> None:
    made = plan(document(*chain(*times), manageCache=False), preset, **options)
    assert entries(made) == [(index, *start) for index, start in enumerate(starts)]
    assert (made.num_frames, len(made.chunks), made.num_frames_made) == totals


@pytest.mark.parametrize(
    ("options", "seeds"),
    [
        ({}, {0: 42, 1: 44, 18: 61}),
        ({"on_prompt_change": "reset"}, {0: 42, 1: 44, 18: 42, 19: 44}),
        ({"profile": "scope-2025-10"}, {0: 42, 1: 42 + 2048, 2: 42 + 3072}),
        ({"seed": 7}, {0: 7, 1: 9}),
    ],
    ids=str,
)
def test_seeds_count_latent_frames_since_the_last_reset(
    preset: Preset, options: dict[str, Any], seeds: dict[int, int]
) -> None:
    made = plan(document(*chain(*EVOLUTION), manageCache=False, seed=42), preset, **options)
    assert {index: made.chunks[index].seed for index in seeds} == seeds


class TestActiveBlock:
    def test_in_a_gap_the_last_block_holds(self, preset: Preset) -> None:
        made = plan(document(block(0, 4, "a"), block(6.5, 10, "b")), preset)
        assert entries(made)[1][:2] == (1, 26)

    def test_before_all_blocks_the_earliest_one_holds(self, preset: Preset) -> None:
        made = plan(document(block(5, 6, "b"), block(2, 5, "a")), preset)
        assert made.chunks[0].prompt_block == 1

    def test_of_overlapping_blocks_the_first_in_the_file_plays(self, preset: Preset) -> None:
        blocks = block(0, 6, "a"), block(4, 10, "b"), block(5, 7, "c")
        made = plan(document(*blocks, manageCache=False), preset)
        assert entries(made) == [(0, 0, 0), (1, 24, 97)]
        assert "prompts[2]: is never shown" in made.warnings[-1]

    def test_a_block_under_another_one_comes_back(self, preset: Preset) -> None:
        made = plan(document(block(2, 3, "a"), block(0, 6, "b"), manageCache=False), preset)
        assert [index for index, _, _ in entries(made)] == [1, 0, 1]

    def test_blocks_play_in_order_of_time_whatever_their_order(self, preset: Preset) -> None:
        blocks = block(6, 9, "c"), block(0, 3, "a"), block(3, 6, "b")
        made = plan(document(*blocks, manageCache=False), preset)
        assert entries(made) == [(1, 0, 0), (2, 12, 49), (0, 24, 97)]
        assert made.num_frames == 144

    def test_a_block_without_a_chunk_start_is_warned_of(self, preset: Preset) -> None:
        blocks = block(0, 3, "a"), block(3, 3.05, "b"), block(3.05, 6, "c")
        made = plan(document(*blocks, manageCache=False), preset)
        assert entries(made) == [(0, 0, 0), (2, 12, 49)]
        assert "prompts[1]: is never shown: no chunk starts" in made.warnings[0]

    def test_a_block_after_the_cut_is_warned_of(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 3, 6)), preset, duration=2)
        assert "begins after the last frame, 31" in made.warnings[0]

    def test_many_hidden_blocks_are_summed_up(self, preset: Preset) -> None:
        times = [index / 100 for index in range(200)]
        made = plan(document(*chain(*times)), preset)
        assert made.warnings[-1].endswith("more blocks are never shown")
        assert len(made.warnings) == 21

    def test_frames_name_the_same_frames_at_any_rate(self, preset: Preset) -> None:
        blocks = [
            {"prompts": [{"text": text}], "ext": {"startFrame": start, "endFrame": end}}
            for text, start, end in (("a", 0, 25), ("b", 25, 50))
        ]
        for fps in (10, 24, Fraction(30000, 1001)):
            made = plan(
                document(*blocks, ext={"unit": "frames"}, manageCache=False), preset, fps=fps
            )
            assert (entries(made), made.num_frames) == ([(0, 0, 0), (1, 6, 25)], 50)


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


class TestUpstream:
    def test_positions_rewind_into_the_window_and_seeds_go_on(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 30)), preset, profile="upstream")
        assert resets(made) == [0]
        assert [made.chunks[index].position for index in (0, 1, 48, 49, 93, 94)] == [
            0,
            2,
            49,
            5,
            49,
            5,
        ]
        assert [made.chunks[index].seed for index in (48, 49)] == [91, 92]

    @pytest.mark.parametrize(("frames", "chunks"), [(81, 20), (84, 20), (85, 21), (5, 1)])
    def test_frames_that_fill_no_chunk_are_dropped(
        self, preset: Preset, frames: int, chunks: int
    ) -> None:
        made = plan(
            document(*chain(0, 1)),
            preset,
            profile="upstream",
            duration="input",
            input_frames=frames,
            input_fps=30,
        )
        assert made.fps == 16
        assert (len(made.chunks), made.num_frames) == (chunks, 4 * chunks + 1)
        assert made.frames_one_to_one

    def test_too_few_frames_for_a_chunk_are_refused(self, preset: Preset) -> None:
        with pytest.raises(ConfigError, match="first chunk of 5"):
            plan(document(*chain(0, 0.25)), preset, profile="upstream")

    def test_every_prompt_change_restarts(self, preset: Preset) -> None:
        data = document(*chain(0, 2, 4), manageCache=False)
        assert resets(plan(data, preset, profile="upstream")) == [0, 8]

    def test_what_the_file_leaves_open_is_upstreams(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 2)), preset, profile="upstream")
        assert {chunk.denoising_steps for chunk in made.chunks} == {(700, 500)}
        assert {chunk.noise_scale for chunk in made.chunks} == {0.8}
        assert (made.variant, made.stream_batch, made.num_rows) == ("ring", True, 2)

    def test_the_first_chunk_of_a_stream_keeps_its_first_step(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 2, 4)), preset, profile="upstream")
        kept = [chunk.index for chunk in made.chunks if chunk.keeps_first_step]
        assert kept == resets(made) == [0, 8]
        assert not any(
            chunk.keeps_first_step for chunk in plan(document(*chain(0, 2, 4)), preset).chunks
        )

    def test_text_ends_with_a_step_at_zero(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 2), inputMode="text"), preset, profile="upstream")
        assert {chunk.denoising_steps for chunk in made.chunks} == {(1000, 750, 0)}

    def test_the_exact_profile_differs_in_its_cache_only(self, preset: Preset) -> None:
        exact, ours = (
            plan(document(*chain(0, 2, 4)), preset, profile=profile)
            for profile in ("upstream-exact", "upstream")
        )
        assert exact.variant == "ring-exact"
        assert replace(exact, profile="upstream", variant="ring") == ours

    def test_steps_are_taken_in_sequence_on_request(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 2)), preset, profile="upstream", stream_batch=False)
        assert (made.variant, made.stream_batch, made.num_rows) == ("ring", False, 1)

    def test_another_number_of_steps_restarts_a_stream_batch(self, preset: Preset) -> None:
        blocks = [block(0, 2, "a"), block(2, 4, "a", ext={"params": {"denoising_steps": [700]}})]
        data = document(*blocks, manageCache=False, ext={})
        assert resets(plan(data, preset, profile="upstream")) == [0, 8]
        assert resets(plan(data, preset, profile="upstream", stream_batch=False)) == [0]

    def test_a_stream_batch_needs_the_profile(self, preset: Preset) -> None:
        with pytest.raises(ConfigError, match="add --profile upstream"):
            plan(document(*chain(0, 2)), preset, stream_batch=True)

    def test_a_control_video_runs_in_sequence(self, preset: Preset) -> None:
        data = document(*chain(0, 2), inputMode="video", vaceEnabled=True, vaceUseInputVideo=True)
        assert not plan(data, preset, profile="upstream").stream_batch
        with pytest.raises(ConfigError, match="VACE steers cannot run in a stream batch"):
            plan(data, preset, profile="upstream", stream_batch=True)

    def test_loras_that_change_their_strength_run_in_sequence(self, preset: Preset) -> None:
        schedule = {"lora_scale.film": [{"t": 0, "v": 0}, {"t": 2, "v": 1}]}
        data = document(
            *chain(0, 2), loras=[{"path": "film.safetensors"}], ext={"schedules": schedule}
        )
        assert not plan(data, preset, profile="upstream").stream_batch
        with pytest.raises(ConfigError, match="strength changes cannot run in a stream batch"):
            plan(data, preset, profile="upstream", stream_batch=True)


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


class TestParameters:
    def test_defaults_of_video_mode(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 2)), preset)
        assert (made.mode, made.takes_input, made.noise_controller) == ("video", True, True)
        assert (made.width, made.height, made.seed, made.manage_cache) == (512, 512, 42, True)
        assert made.chunks[0].denoising_steps == (750, 250)
        assert made.chunks[0].noise_scale == 0.7

    def test_text_mode_drops_the_noise_settings(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 2), inputMode="text", noiseScale=0.05), preset)
        assert (made.noise_controller, made.takes_input, made.warnings) == (False, False, ())
        assert made.chunks[0].denoising_steps == (1000, 750)
        assert {chunk.noise_scale for chunk in made.chunks} == {None}

    def test_a_control_video_counts_as_text_mode_that_takes_input(self, preset: Preset) -> None:
        data = document(
            *chain(0, 2), vaceEnabled=True, vaceUseInputVideo=True, vaceContextScale=0.5
        )
        made = plan(data, preset)
        assert (made.mode, made.takes_input, made.input_is_control) == ("text", True, True)
        assert {chunk.steering and chunk.steering.scale for chunk in made.chunks} == {0.5}
        assert made.chunks[0].noise_scale is None

    def test_options_win_over_settings(self, preset: Preset) -> None:
        data = document(*chain(0, 2), seed=1, noiseScale=0.5, denoisingSteps=[900, 100])
        made = plan(
            data,
            preset,
            seed=2,
            noise_scale=0.6,
            denoising_steps=(800, 200),
            width=832,
            height=480,
            mode="video",
        )
        first = made.chunks[0]
        assert (first.seed, first.noise_scale, first.denoising_steps) == (2, 0.6, (800, 200))
        assert (made.width, made.height) == (832, 480)

    def test_a_blocks_seed_and_steps_hold_while_it_plays(self, preset: Preset) -> None:
        second = block(2, 4, "b", ext={"params": {"seed": 1000, "denoising_steps": [600, 300]}})
        data = document(
            block(0, 2, "a"), second, block(4, 6, "c"), ext={}, manageCache=False, seed=1
        )
        made = plan(data, preset)
        assert [made.chunks[index].seed for index in (7, 8, 16)] == [9, 1009, 18]
        assert [made.chunks[index].denoising_steps for index in (8, 16)] == [(600, 300), (750, 250)]

    def test_the_command_line_wins_over_a_blocks_parameters(self, preset: Preset) -> None:
        first = block(0, 2, "a", ext={"params": {"seed": 5, "denoising_steps": [600, 300]}})
        made = plan(document(first, ext={}), preset, seed=2, denoising_steps=(800,))
        assert (made.chunks[0].seed, made.chunks[0].denoising_steps) == (2, (800,))

    def test_a_schedule_moves_the_noise_scale(self, preset: Preset) -> None:
        keys = [{"t": 1, "v": 0.8}, {"t": 2, "v": 0.4}, {"t": 3, "v": 0.6, "ease": "step"}]
        data = document(
            *chain(0, 4), ext={"schedules": {"noise_scale": keys}}, noiseController=False
        )
        made = plan(data, preset)
        values = {chunk.first_frame: chunk.noise_scale for chunk in made.chunks}
        assert [values[frame] for frame in (0, 13, 33, 45, 49, 61)] == [
            0.8,
            0.8,
            0.4,
            0.4,
            0.6,
            0.6,
        ]
        assert values[25] == pytest.approx(0.8 - 0.4 * 9 / 16)
        assert plan(data, preset, noise_scale=0.5).chunks[9].noise_scale == 0.5

    def test_a_schedule_in_frames_counts_output_frames(self, preset: Preset) -> None:
        data = document(*chain(0, 4), ext={"schedules": {"noise_scale": "0: (0.8), 40: (0.4)"}})
        for fps in (10, 20):
            made = plan(data, preset, fps=fps)
            assert made.chunks[5].noise_scale == pytest.approx(0.8 - 0.4 * 21 / 40)

    def test_a_schedule_under_the_noise_controller_is_warned_of(self, preset: Preset) -> None:
        data = document(*chain(0, 2), ext={"schedules": {"noise_scale": "0: (0.8)"}})
        assert "noiseController" in plan(data, preset).warnings[0]

    def test_a_noise_scale_that_makes_a_bad_timestep_is_warned_of(self, preset: Preset) -> None:
        data = document(
            *chain(0, 2), noiseScale=0.05, noiseController=False, denoisingSteps=[1000, 750, 250]
        )
        assert "[-50, 750, 250]" in plan(data, preset).warnings[0]

    @pytest.mark.parametrize(
        "settings",
        [{"noiseScale": 0.11, "noiseController": False}, {"noiseScale": 0.05}],
        ids=["high enough", "controlled"],
    )
    def test_other_noise_scales_are_not(self, preset: Preset, settings: dict[str, Any]) -> None:
        assert plan(document(*chain(0, 2), **settings), preset).warnings == ()

    def test_prefix_and_suffix_go_around_every_text(self, preset: Preset) -> None:
        data = document(*chain(0, 2), ext={"prefix": "film", "suffix": "grain"})
        assert plan(data, preset).prompts[0][0].text == "film, boat 0, grain"

    def test_the_documents_warnings_are_part_of_the_plan(self, preset: Preset) -> None:
        data = document(*chain(0, 2), resolution={"height": 500, "width": 1000})
        assert "496 x 1008" in plan(data, preset).warnings[0]

    def test_chunks_follow_the_presets_length(self, preset: Preset) -> None:
        longer = preset.model_copy(
            update={"chunk": preset.chunk.model_copy(update={"latent_frames": 3})}
        )
        video = plan(document(*chain(0, 4)), longer)
        assert [(c.num_frames, c.num_latent_frames) for c in video.chunks[:2]] == [(13, 4), (12, 3)]
        text = plan(document(*chain(0, 4), inputMode="text"), longer)
        assert [(c.num_frames, c.num_latent_frames) for c in text.chunks[:2]] == [(9, 3), (12, 3)]


class TestPlanData:
    def rich_plan(self, preset: Preset) -> RenderPlan:
        ext = {
            "audio": {"uri": "a.wav", "offset": 1.5},
            "output": {"fps": "30000/1001", "crf": 20},
            "schedules": {"noise_scale": "0: (0.8), 100: (0.3)"},
        }
        loras = [{"path": "/x/paper.safetensors", "scale": 0.1}]
        blocks = block(0, 2.1, "a"), block(2.1, 4, "b", transitionSteps=3)
        return plan(document(*blocks, ext=ext, loras=loras), preset)

    def test_it_survives_json_exactly(self, preset: Preset) -> None:
        made = self.rich_plan(preset)
        assert RenderPlan.from_dict(json.loads(json.dumps(made.to_dict()))) == made

    def test_its_json_has_the_agreed_names(self, preset: Preset) -> None:
        data = self.rich_plan(preset).to_dict()
        assert data["fps"] == pytest.approx(29.97, abs=1e-3)
        assert data["fps_exact"] == "30000/1001"
        assert {"num_frames", "num_chunks", "width", "height", "warnings", "chunks"} <= set(data)
        assert {
            "index",
            "first_frame",
            "num_frames",
            "prompt_block",
            "transition",
            "reset",
            "seed",
            "position",
            "noise_scale",
            "denoising_steps",
            "time",
        } <= set(data["chunks"][0])

    @pytest.mark.parametrize("data", [{}, {"chunks": 3}, []], ids=str)
    def test_other_data_is_refused(self, data: Any) -> None:
        with pytest.raises(ConfigError, match="no render plan"):
            RenderPlan.from_dict(data)


class TestOptions:
    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"fps": "fast"}, "fps"),
            ({"fps": 0}, "fps"),
            ({"fps": "1e99999999"}, "fps"),
            ({"duration": "long"}, "duration"),
            ({"duration": 0}, "duration"),
            ({"seed": -1}, "seed"),
            ({"width": 500}, "width"),
            ({"height": 8}, "height"),
            ({"denoising_steps": (1, 2)}, "denoising_steps"),
            ({"noise_scale": 2}, "noise_scale"),
            ({"mode": "image"}, "mode"),
            ({"profile": "other"}, "profile"),
            ({"colour": "red"}, "colour"),
        ],
        ids=str,
    )
    def test_a_wrong_option_is_named(self, values: dict[str, Any], name: str) -> None:
        with pytest.raises(ConfigError, match=name) as caught:
            make_options(**values)
        assert caught.value.field == name
        assert "\n" not in str(caught.value)

    def test_the_message_has_the_value_and_what_to_write_instead(self) -> None:
        with pytest.raises(ConfigError) as caught:
            make_options(duration="0", seed=-5)
        assert str(caught.value) == (
            "duration is 0; write seconds above 0 and up to 604800, 'timeline' or 'input'; "
            "seed is -5; write an integer of 0 to 9223372036854775807"
        )

    def test_options_survive_json(self) -> None:
        options = make_options(fps="30000/1001", duration=12.3, denoising_steps=(700, 500))
        assert options.duration == Fraction(123, 10)
        assert PlanOptions.model_validate_json(options.model_dump_json()) == options


def test_ten_hours_are_planned_without_effort(preset: Preset) -> None:
    made = plan(document(*chain(0, 18_000, 36_000)), preset)
    assert made.num_frames == 576_000
    assert sum(chunk.num_frames for chunk in made.chunks) == made.num_frames_made

"""The plan: which chunk shows what, with the worked examples of the three published timelines."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from renders.plans import (
    EVOLUTION,
    FELINE,
    PREY,
    block,
    chain,
    document,
    entries,
    plan,
    resets,
)
from rushes.errors import ConfigError
from rushes.presets.preset import Preset


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
        blocks = block(0, 3.1, "a"), block(3.1, 3.3, "b"), block(3.3, 6, "c")
        made = plan(document(*blocks, manageCache=False), preset)
        assert entries(made) == [(0, 0, 0), (2, 13, 53)]
        reason = "no chunk starts in its frames 50 … 52"
        assert f"prompts[1]: is never shown: {reason}" in made.warnings[0]

    def test_a_file_or_an_option_asks_for_fp8(self, preset: Preset) -> None:
        plain, fp8 = (
            document(block(0, 1, "a"), **settings)
            for settings in ({}, {"quantization": "fp8_e4m3fn"})
        )
        assert plan(plain, preset).quantization is None
        assert plan(plain, preset, quantization="fp8_e4m3fn").quantization == "fp8_e4m3fn"
        assert plan(fp8, preset).quantization == "fp8_e4m3fn"

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


def test_ten_hours_are_planned_without_effort(preset: Preset) -> None:
    made = plan(document(*chain(0, 18_000, 36_000)), preset)
    assert made.num_frames == 576_000
    assert sum(chunk.num_frames for chunk in made.chunks) == made.num_frames_made

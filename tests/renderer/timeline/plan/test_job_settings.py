"""What holds for a job: command line over profile over document over defaults."""

from __future__ import annotations

from typing import Any

import pytest

from renders.plans import (
    block,
    chain,
    document,
    plan,
)
from rushes.errors import ConfigError
from rushes.presets.preset import Preset, load_preset


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


class TestWhatBelongsToTheModel:
    """The preset decides it, below options, profile and document."""

    def with_play(self, preset: Preset, **play: Any) -> Preset:
        return preset.model_copy(update={"play": preset.play.model_copy(update=play)})

    def test_mode_size_and_transitions_are_the_presets(self, preset: Preset) -> None:
        mine = self.with_play(
            preset, default_mode="text", width=320, height=256, transition_steps=3
        )
        made = plan(document(*chain(0, 2, 4)), mine)
        assert (made.mode, made.width, made.height) == ("text", 320, 256)
        assert [chunk.transition for chunk in made.chunks].count(None) < len(made.chunks)

    def test_a_pipeline_that_the_file_names_wins_over_another_preset(self, preset: Preset) -> None:
        mine = self.with_play(preset.model_copy(update={"pipeline_id": "dreamer"}), width=320)
        made = plan(
            document(*chain(0, 2), pipelineId="longlive"), mine, pipeline="dreamer", width=320
        )
        assert made.mode == "text"

    @pytest.mark.parametrize(
        ("policy", "block_policy", "options", "expected"),
        [
            ("reset", None, {}, [0, 8]),
            ("keep", None, {}, [0]),
            ("reset", "keep", {}, [0]),
            ("reset", None, {"on_prompt_change": "keep"}, [0]),
        ],
    )
    def test_a_prompt_change_does_what_the_preset_says(
        self,
        preset: Preset,
        policy: str,
        block_policy: str | None,
        options: dict[str, Any],
        expected: list[int],
    ) -> None:
        mine = self.with_play(preset, on_prompt_change=policy)
        ext = {"cache": block_policy} if block_policy else {}
        blocks = [block(0, 2, "a"), block(2, 4, "b", ext=ext)]
        made = plan(document(*blocks, ext={}, inputMode="text"), mine, **options)
        assert [chunk.index for chunk in made.chunks if chunk.reset] == expected

    def test_the_cache_is_the_presets(self, preset: Preset) -> None:
        assert plan(document(*chain(0, 2)), preset).variant == "rolling"
        ring = preset.model_copy(update={"cache": "ring"})
        assert plan(document(*chain(0, 2)), ring).variant == "ring"

    def test_a_profile_with_a_cache_of_its_own_plays_rolling_models_only(
        self, preset: Preset
    ) -> None:
        other = preset.model_copy(update={"cache": "ring-exact"})
        assert plan(document(*chain(0, 2)), preset, profile="upstream").variant == "ring"
        with pytest.raises(ConfigError, match="profile upstream plays models with a rolling cache"):
            plan(document(*chain(0, 2)), other, profile="upstream")


class TestNoise:
    def test_a_preset_of_random_weights_has_the_noise_of_a_cpu(self, preset: Preset) -> None:
        made = plan(document(*chain(0, 2)), preset)
        assert (made.noise, made.noise_device) == ("torch-cpu", None)

    @pytest.mark.parametrize("name", ["streamdiffusionv2-1.3b", "streamdiffusionv2-14b"])
    @pytest.mark.parametrize("profile", ["scope", "scope-2025-10", "upstream"])
    def test_public_weights_have_the_noise_that_they_are_seen_with(
        self, name: str, profile: str
    ) -> None:
        made = plan(document(*chain(0, 2)), load_preset(name), profile=profile)
        assert (made.noise, made.noise_device) == ("cuda", "h100")

    @pytest.mark.parametrize("name", ["longlive", "memflow", "reward-forcing", "krea-realtime-14b"])
    def test_so_do_the_other_pipelines_of_scope(self, name: str) -> None:
        made = plan(document(*chain(0, 2)), load_preset(name))
        assert (made.noise, made.noise_device) == ("cuda", "h100")

    @pytest.mark.parametrize("name", ["pocket", "tiny", "self-forcing-tiny"])
    def test_all_others_have_the_noise_of_a_cpu(self, name: str) -> None:
        made = plan(document(*chain(0, 6), inputMode="text"), load_preset(name))
        assert (made.noise, made.noise_device) == ("torch-cpu", None)

    def test_the_command_line_wins_over_ext_and_that_over_the_preset(self, preset: Preset) -> None:
        data = document(*chain(0, 2), ext={"noise": "cuda", "noise_device": "4090"})
        made = plan(data, preset)
        assert (made.noise, made.noise_device) == ("cuda", "4090")
        made = plan(data, preset, noise_device="a100")
        assert (made.noise, made.noise_device) == ("cuda", "a100")
        made = plan(data, preset, noise="torch-cpu")
        assert (made.noise, made.noise_device) == ("torch-cpu", None)

    def test_a_gpu_for_the_noise_of_a_cpu_is_refused(self, preset: Preset) -> None:
        with pytest.raises(ConfigError, match="noise_device is 4090, but the noise is torch-cpu"):
            plan(document(*chain(0, 2)), preset, noise_device="4090")

    @pytest.mark.parametrize("name", ["self-forcing", "causvid", "causal-forcing-long"])
    def test_so_do_models_that_draw_whole_clips(self, name: str) -> None:
        data = document(*chain(0, 6), inputMode="text")
        assert plan(data, load_preset(name)).noise_device == "h100"
        assert plan(data, load_preset(name), noise="torch-cpu").noise_device is None


class TestNormalisation:
    def test_it_is_left_to_the_preset(self, preset: Preset) -> None:
        assert plan(document(*chain(0, 2)), preset).normalise_latents is None

    def test_the_command_line_wins_over_ext_and_that_over_the_profile(self, preset: Preset) -> None:
        data = document(*chain(0, 2))
        made = plan(data, preset, profile="upstream-2026-09")
        assert (made.normalise_latents, made.chunks[0].noise_scale) == (True, 0.6)
        assert made.variant == "ring"
        data["ext"] = {"schema": 1, "normalise_latents": False}
        assert plan(data, preset, profile="upstream-2026-09").normalise_latents is False
        assert plan(data, preset, normalise_latents=True).normalise_latents is True

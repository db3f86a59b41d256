"""Plans of models whose chunks, clips and positions are other than StreamDiffusionV2's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rushes.drivers.open_stream import clip_spans
from rushes.errors import ConfigError
from rushes.presets.preset import Preset, load_preset
from rushes.stream.stream import ClipSpan
from rushes.timeline.plan.options import make_options
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline


def plan_of(name: str, seconds: float, **options: Any) -> RenderPlan:
    preset = load_preset(name)
    document = {"version": "2.1", "prompts": [block(0, seconds)]}
    return plan_render(parse(document), make_options(**options), preset)


def block(start: float, end: float) -> dict[str, Any]:
    prompts = [{"text": f"a boat at {start}", "weight": 100}]
    return {"startTime": start, "endTime": end, "prompts": prompts}


def parse(document: dict[str, Any]) -> Any:
    return parse_timeline(json.dumps(document)).require()


def grid(plan: RenderPlan) -> list[tuple[int, int, int, bool]]:
    """Frames shown, latent frames, position and whether carried over, by chunk."""
    return [
        (chunk.num_frames, chunk.num_latent_frames, chunk.position, chunk.is_carried_over)
        for chunk in plan.chunks
    ]


def test_a_clip_of_81_frames_is_seven_chunks_and_nothing_is_hidden() -> None:
    plan = plan_of("self-forcing", 81 / 16)
    assert [chunk.num_frames for chunk in plan.chunks] == [9, *[12] * 6]
    assert [chunk.reset for chunk in plan.chunks] == [True, *[False] * 6]


def test_a_longer_video_shows_the_end_of_a_clip_in_the_next_one() -> None:
    plan = plan_of("causvid", 100 / 16)
    assert grid(plan)[5:9] == [
        (12, 3, 15, False),
        (3, 3, 18, False),
        (9, 3, 0, True),
        (12, 3, 3, False),
    ]
    assert plan.chunks[7].first_frame == 72
    assert {chunk.seed for chunk in plan.chunks} == {plan.seed}


@pytest.mark.parametrize(
    ("name", "seconds", "told"),
    [("self-forcing", 6, True), ("self-forcing", 5, False), ("causvid", 10, False)],
)
def test_the_plan_says_what_its_models_authors_do_not_offer(
    name: str, seconds: float, told: bool
) -> None:
    warnings = plan_of(name, seconds).warnings
    assert any("do not offer" in warning for warning in warnings) is told
    if told:
        assert "clips of 81 frames; this render is 2, each" in " ".join(warnings)


def test_frame_by_frame_the_next_clip_begins_with_the_last_frame() -> None:
    plan = plan_of("causal-forcing-framewise", 90 / 16)
    assert grid(plan)[:2] == [(1, 1, 0, False), (4, 1, 1, False)]
    assert grid(plan)[20:23] == [(3, 1, 20, False), (1, 1, 0, True), (4, 1, 1, False)]


def test_the_first_chunk_that_is_made_has_steps_of_its_own() -> None:
    plan = plan_of("causal-forcing-2step", 90 / 16)
    four, two = (1000, 750, 500, 250), (1000, 500)
    assert [chunk.denoising_steps for chunk in plan.chunks[:3]] == [four, two, two]
    assert plan.chunks[22].denoising_steps == four  # behind the frame that is carried over
    assert plan_of("causal-forcing-2step", 2, denoising_steps=(900,)).chunks[0].denoising_steps == (
        900,
    )


def test_a_clip_begins_with_an_image() -> None:
    plan = plan_of("causal-forcing-framewise", 2, first_frame="boat.png")
    assert plan.chunks[0].given_file == "boat.png"
    assert plan.steering_files == ("boat.png",)
    assert not plan.is_steered
    assert grid(plan)[:2] == [(1, 1, 0, False), (4, 1, 1, False)]


@pytest.mark.parametrize(("name", "drawn"), [("self-forcing", (3, 18)), ("causvid", (0, 21))])
def test_a_clip_of_chunks_begins_with_as_many_frames_of_a_video(
    name: str, drawn: tuple[int, int]
) -> None:
    """sf: initial_latent has whole chunks, and needs no noise; causvid draws and drops it."""
    plan = plan_of(name, 2, first_frame="boat.mp4")
    assert plan.chunks[0].given_file == "boat.mp4"
    assert not plan.is_steered
    assert grid(plan)[:2] == [(9, 3, 0, False), (12, 3, 3, False)]
    assert clip_spans(plan.chunks, load_preset(name).clip) == {0: ClipSpan(*drawn)}


def test_an_image_steers_a_model_that_shows_none() -> None:
    plan = plan_of("self-forcing", 2, first_frame="boat.png")
    assert plan.chunks[0].given_file is None
    assert plan.is_steered
    with pytest.raises(ConfigError, match="VACE"):
        plan_of("causal-forcing-long", 2, first_frame="boat.png")


@pytest.mark.parametrize(
    ("name", "first", "later"),
    [
        ("self-forcing", ClipSpan(0, 21), ClipSpan(3, 18)),
        ("causvid", ClipSpan(0, 21), ClipSpan(0, 21)),
        ("causal-forcing-framewise", ClipSpan(0, 21), ClipSpan(1, 20)),
    ],
)
def test_noise_is_drawn_for_the_frames_that_are_made(
    name: str, first: ClipSpan, later: ClipSpan
) -> None:
    spans = clip_spans(plan_of(name, 6).chunks, load_preset(name).clip)
    assert list(spans.values()) == [first, later]


def test_the_long_member_draws_the_noise_of_the_whole_video() -> None:
    plan = plan_of("causal-forcing-long", 15)
    latents = sum(chunk.num_latent_frames for chunk in plan.chunks)
    assert clip_spans(plan.chunks, None) == {0: ClipSpan(0, latents)}


def test_text_only_models_refuse_video() -> None:
    with pytest.raises(ConfigError, match="text only"):
        plan_of("causvid", 2, mode="video")


def test_an_empty_bank_is_longlives_memory() -> None:
    assert plan_of("memflow", 2).variant == "bank"
    assert plan_of("memflow", 2, empty_bank=True).variant == "recache"
    with pytest.raises(ConfigError, match="no bank"):
        plan_of("longlive", 2, empty_bank=True)


def test_the_first_chunk_of_reward_forcing_steps_back_by_one() -> None:
    plan = plan_of("reward-forcing", 4, mode="video")
    assert grid(plan)[:3] == [(13, 4, 0, False), (12, 3, 3, False), (12, 3, 6, False)]
    assert [chunk.seed - plan.seed for chunk in plan.chunks[:3]] == [0, 3, 6]


@pytest.mark.parametrize(("name", "has_end"), [("longlive", True), ("reward-forcing", False)])
def test_only_positions_that_grow_come_to_an_end(name: str, has_end: bool) -> None:
    resets = [chunk.index for chunk in plan_of(name, 300).chunks if chunk.reset]
    assert resets == ([0, 341] if has_end else [0])


def test_a_preset_says_what_does_not_fit() -> None:
    data = load_preset("causal-forcing-framewise").model_dump()
    with pytest.raises(ValueError, match=r"clip\.overlap 3"):
        Preset.model_validate(data | {"clip": {"overlap": 3}})
    with pytest.raises(ValueError, match="cache: clip"):
        Preset.model_validate(data | {"cache": "rolling"})

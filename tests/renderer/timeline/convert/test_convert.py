"""Prompt maps of other tools become timelines that show the same prompts at the same frames."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from rushes.errors import TimelineError
from rushes.presets.preset import load_preset
from rushes.timeline.convert.convert import Converted, convert_prompt_map
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline

ANIMATEDIFF = {
    "seed": [341774366206100, -1],
    "steps": 20,
    "head_prompt": "film",
    "prompt_map": {"0": "a boat", "32": "a pond", "64": "a storm"},
    "tail_prompt": "sharp",
    "prompt_fixed_ratio": 0.5,
    "output": {"format": "mp4", "fps": 8, "encode_param": {"crf": 10}},
}
DEFORUM = {
    "W": 832,
    "H": 480,
    "seed": 7,
    "fps": 30,
    "max_frames": 120,
    "animation_mode": "Video Input",
    "strength_schedule": "0: (0.65), 60: (0.3)",
    "prompts": {"0": "a boat", "30": "a pond"},
    "add_soundtrack": "Init Video",
}


def convert(data: Any, **options: Any) -> Converted:
    return convert_prompt_map(json.dumps(data).encode(), **options)


def plan(converted: Converted) -> RenderPlan:
    timeline = parse_timeline(json.dumps(converted.document), strict=True).require()
    return plan_render(timeline, PlanOptions(), load_preset("tiny"))


def remarks(converted: Converted, severity: str) -> list[str]:
    return [problem.path for problem in converted.problems if problem.severity == severity]


def test_animatediff_holds_then_travels_and_arrives_at_the_key() -> None:
    made = plan(convert(ANIMATEDIFF, length=96))
    assert made.fps == 8
    assert (made.num_frames, made.seed) == (96, 341774366206100)
    travel = [chunk for chunk in made.chunks if chunk.transition is not None]
    assert [(c.first_frame, c.prompt_block) for c in travel] == [
        (17, 1),
        (21, 1),
        (25, 1),
        (29, 1),
        (49, 2),
        (53, 2),
        (57, 2),
        (61, 2),
    ]
    assert [c.transition for c in travel[:4]] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert {c.transition_method for c in travel} == {"slerp"}
    assert made.prompts[1][0].text == "film, a pond, sharp"
    assert made.output.crf == 10


@pytest.mark.parametrize(("ratio", "first"), [(0, 1), (0.25, 8), (1, 32)])
def test_the_ratio_says_how_long_a_prompt_is_held(ratio: float, first: int) -> None:
    converted = convert(ANIMATEDIFF | {"prompt_fixed_ratio": ratio}, length=96)
    assert converted.document["prompts"][1]["startTime"] == first / 8
    assert ("ext" in converted.document["prompts"][1]) is (ratio < 1)


def test_fizznodes_ramps_from_key_to_key_and_needs_no_braces() -> None:
    text = b'"0" :"a boat",\n"24" :"a pond",\n"48" :"a storm",\n'
    made = plan(convert_prompt_map(text, length=72))
    assert made.fps == 16
    assert made.num_frames == 72
    travel = [c for c in made.chunks if c.transition is not None]
    assert {c.transition_method for c in travel} == {"linear"}
    assert [c.prompt_block for c in travel if c.transition == 1] == [1, 2]


def test_deforum_holds_each_prompt_and_maps_strength_to_noise() -> None:
    converted = convert(DEFORUM)
    made = plan(converted)
    assert made.fps == 30
    assert (made.num_frames, made.mode, made.seed) == (120, "video", 7)
    assert (made.width, made.height, made.noise_controller) == (832, 480, False)
    assert next(c.first_frame for c in made.chunks if c.prompt_block == 1) == 33
    assert all(chunk.transition is None for chunk in made.chunks)
    assert made.chunks[0].noise_scale == 0.35
    assert made.chunks[-1].noise_scale == 0.7
    assert made.audio is not None
    assert made.audio.source == "input"


@pytest.mark.parametrize(
    "change",
    [{"animation_mode": "2D"}, {"strength_schedule": "0: (0.5*sin(t))"}],
    ids=["no input video", "expression"],
)
def test_a_strength_without_an_honest_meaning_is_left_out(change: dict[str, Any]) -> None:
    converted = convert(DEFORUM | change)
    assert "schedules" not in converted.document["ext"]
    assert "strength_schedule" in remarks(converted, "warning") + remarks(converted, "note")


@pytest.mark.parametrize("fps", [Fraction(3), Fraction(7), Fraction(30000, 1001)], ids=str)
def test_keys_keep_their_frames_at_rates_that_no_decimal_holds(fps: Fraction) -> None:
    prompts = {str(frame): f"boat {frame}" for frame in range(5, 200, 4)}
    data = DEFORUM | {"prompts": {"0": "boat"} | prompts, "animation_mode": "2D"}
    made = plan(convert(data, fps=fps, length=200))
    assert made.num_frames == 200
    assert len({chunk.prompt_block for chunk in made.chunks}) == len(prompts) + 1


def test_what_cannot_be_converted_is_listed() -> None:
    data = ANIMATEDIFF | {"n_prompt": ["bad"], "lora_map": {"x": 1}, "seed": [-1]}
    data["prompt_map"] = {"0": "a boat --neg rain", "max_f/2": "x", "8": "`t`", "99": "late"}
    converted = convert(data, length=16)
    assert remarks(converted, "warning") == [
        "n_prompt",
        "lora_map",
        "prompt_map.0",
        "prompt_map.max_f/2",
        "prompt_map.8",
        "seed",
        "",
    ]
    assert [block["prompts"][0]["text"] for block in converted.document["prompts"]] == [
        "a boat",
        "`t`",
    ]


def test_a_missing_length_is_guessed_from_the_last_gap() -> None:
    converted = convert(ANIMATEDIFF)
    assert converted.document["prompts"][-1]["endTime"] == 12
    assert any("--length" in problem.message for problem in converted.problems)


@pytest.mark.parametrize("data", [{}, [], 3, {"prompts": [1]}, {"a": "b"}], ids=str)
def test_other_documents_are_refused(data: Any) -> None:
    with pytest.raises(TimelineError, match="prompt map"):
        convert(data, source="prompt map")


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({"prompt_map": {}}, "names no prompt"),
        ({"prompt_map": {"0": 3}}, "prompt_map.0"),
        ({"prompt_map": {"0": "a"}, "prompt_fixed_ratio": 2}, "prompt_fixed_ratio"),
        ({"prompts": {"0": "a"}, "W": 10_000, "H": 512}, "resolution.width"),
        ({"prompts": {"0": " "}}, "has no prompt text"),
    ],
    ids=str,
)
def test_a_fault_is_refused_with_its_place(data: dict[str, Any], part: str) -> None:
    with pytest.raises(TimelineError) as caught:
        convert(data)
    assert part in str(caught.value)


def test_the_kind_can_be_told() -> None:
    flat = {"0": "a boat", "30": "a pond"}
    ramped = convert(flat, length=60).document["prompts"]
    held = convert({"prompts": flat}, length=60, kind="deforum").document["prompts"]
    assert (ramped[1]["startTime"], held[1]["startTime"]) == (1 / 16, 2)

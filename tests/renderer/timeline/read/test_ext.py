"""The reserved key ``ext``: our extensions, where a typo is never silent."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from rushes.timeline.document import Audio, OutputOptions, Schedule, Transition
from rushes.timeline.easing import LINEAR, NAMED_EASES
from rushes.timeline.read.load import LoadedTimeline, parse_timeline


def load(top: Any = None, block: Any = None, **more: Any) -> LoadedTimeline:
    first = {"startTime": 0, "endTime": 4, "prompts": [{"text": "a boat"}]} | more
    if block is not None:
        first["ext"] = block
    data: dict[str, Any] = {"prompts": [first], "version": "2.1"}
    if top is not None:
        data["ext"] = top
    return parse_timeline(json.dumps(data))


def errors(loaded: LoadedTimeline) -> list[str]:
    return [problem.path for problem in loaded.problems if problem.severity == "error"]


def test_everything_on_offer_is_read() -> None:
    top = {
        "schema": 1,
        "prefix": "film",
        "suffix": "grain",
        "inputs": [{"id": "a", "uri": "../cat.mp4"}],
        "audio": "input",
        "noise": "cuda",
        "noise_device": "4090",
        "normalise_latents": True,
        "positions": "rewind",
        "output": {"fps": "30000/1001", "codec": "h264", "crf": 18, "name": "boats"},
        "schedules": {"noise_scale": [{"t": 0, "v": 0.8}, {"t": 9.2, "v": 0.6, "ease": "in"}]},
    }
    block = {
        "transition": {"seconds": 1.5, "ease": [0.1, 0, 0.9, 1], "ramp": "eager"},
        "params": {"seed": 7, "denoising_steps": [700, 500, 400]},
        "cache": "reset",
        "note": "wide shot",
    }
    loaded = load(top, block)
    timeline = loaded.require()
    assert loaded.problems == ()
    assert (timeline.ext.prefix, timeline.ext.suffix) == ("film", "grain")
    assert timeline.ext.input == "../cat.mp4"
    assert timeline.ext.audio == Audio("input")
    assert (timeline.ext.noise, timeline.ext.noise_device) == ("cuda", "4090")
    assert (timeline.ext.normalise_latents, timeline.ext.positions) == (True, "rewind")
    assert timeline.ext.output == OutputOptions(Fraction(30000, 1001), "h264", 18, "boats")
    schedule = timeline.ext.noise_schedule
    assert schedule is not None
    assert [(key.at, key.value, key.ease) for key in schedule.keys] == [
        (0, 0.8, LINEAR),
        (9_200_000, 0.6, NAMED_EASES["in"]),
    ]
    first = timeline.blocks[0]
    assert first.transition == Transition(Fraction(3, 2), "seconds", (0.1, 0, 0.9, 1), "eager")
    assert (first.seed, first.denoising_steps, first.cache) == (7, (700, 500, 400), "reset")


def test_a_deforum_schedule_is_read_in_frames() -> None:
    loaded = load({"schema": 1, "schedules": {"noise_scale": "0: (0.8), 148:(.6) , 150: 0.5"}})
    schedule = loaded.require().ext.noise_schedule
    assert isinstance(schedule, Schedule)
    assert schedule.unit == "frames"
    assert [(key.at, key.value) for key in schedule.keys] == [(0, 0.8), (148, 0.6), (150, 0.5)]


@pytest.mark.parametrize(
    "schedule",
    [
        "0: (0.5*sin(t))",
        "0.8",
        "",
        "10: (0.5), 10: (0.6)",
        "0: (1.5)",
        [],
        [{"t": 2, "v": 0.5}, {"t": 1, "v": 0.5}],
        7,
    ],
    ids=str,
)
def test_a_wrong_schedule_is_refused(schedule: Any) -> None:
    loaded = load({"schema": 1, "schedules": {"noise_scale": schedule}})
    assert errors(loaded) == ["ext.schedules.noise_scale"]


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ({"v": 0.5}, "t"),
        ({"t": 0}, "v"),
        ({"t": -1, "v": 0.5}, "t"),
        ({"t": 0, "v": 2}, "v"),
        ({"t": 0, "v": 0.5, "ease": "bouncy"}, "ease"),
        ({"t": 0, "v": 0.5, "x": 1}, "x"),
    ],
    ids=str,
)
def test_a_wrong_keyframe_is_refused_with_its_field(key: dict[str, Any], field: str) -> None:
    loaded = load({"schema": 1, "schedules": {"noise_scale": [key]}})
    assert errors(loaded) == [f"ext.schedules.noise_scale[0].{field}"]


def test_an_ext_without_schema_is_refused_once() -> None:
    assert errors(load(None, {"note": "x"})) == ["ext.schema"]
    assert errors(load({"prefix": "x"})) == ["ext.schema"]


@pytest.mark.parametrize("schema", [2, "1", True, 0], ids=str)
def test_another_edition_is_refused(schema: Any) -> None:
    assert errors(load({"schema": schema})) == ["ext.schema"]


@pytest.mark.parametrize(
    ("top", "path"),
    [
        ({"prefx": "x"}, "prefx"),
        ({"unit": "bars"}, "unit"),
        ({"prefix": 3}, "prefix"),
        ({"inputs": "cat.mp4"}, "inputs"),
        ({"inputs": ["cat.mp4"]}, "inputs"),
        ({"inputs": [{"uri": "a.mp4"}, {"uri": "b.mp4"}]}, "inputs"),
        ({"inputs": [{}]}, "inputs[0].uri"),
        ({"inputs": [{"uri": ""}]}, "inputs[0].uri"),
        ({"inputs": [{"url": "a.mp4", "uri": "a.mp4"}]}, "inputs[0].url"),
        ({"audio": "loud"}, "audio"),
        ({"audio": {"offset": 1}}, "audio.uri"),
        ({"audio": {"uri": "a.wav", "gain": 1}}, "audio.gain"),
        ({"output": {"fps": 0}}, "output.fps"),
        ({"output": {"fps": "fast"}}, "output.fps"),
        ({"output": {"crf": 99}}, "output.crf"),
        ({"output": {"name": "../../x"}}, "output.name"),
        ({"output": {"name": ".hidden"}}, "output.name"),
        ({"output": {"codec": "h264 -y"}}, "output.codec"),
        ({"output": {"fmt": "mp4"}}, "output.fmt"),
        ({"cache": "reset"}, "cache"),
    ],
    ids=str,
)
def test_a_wrong_top_level_key_is_refused(top: dict[str, Any], path: str) -> None:
    assert errors(load({"schema": 1} | top)) == [f"ext.{path}"]


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"chache": "reset"}, "chache"),
        ({"cache": "never"}, "cache"),
        ({"params": {"seed": -1}}, "params.seed"),
        ({"params": {"denoising_steps": [1, 2]}}, "params.denoising_steps"),
        ({"params": {"height": 512}}, "params.height"),
        ({"transition": {"seconds": 1, "frames": 4}}, "transition"),
        ({"transition": {"seconds": -1}}, "transition.seconds"),
        ({"transition": {"chunks": 1.5}}, "transition.chunks"),
        ({"transition": {"seconds": 1, "ease": [2, 0, 0, 1]}}, "transition.ease"),
        ({"transition": {"seconds": 1, "ramp": "steep"}}, "transition.ramp"),
        ({"transition": 4}, "transition"),
        ({"note": 4}, "note"),
        ({"prefix": "x"}, "prefix"),
    ],
    ids=str,
)
def test_a_wrong_key_of_a_block_is_refused(block: dict[str, Any], path: str) -> None:
    assert errors(load({"schema": 1}, block)) == [f"prompts[0].ext.{path}"]


@pytest.mark.parametrize(
    ("top", "block"),
    [
        ({"inputs": [{"uri": "a.mp4", "start": 2}]}, {}),
        ({"negative_prompt": "x"}, {}),
        ({}, {"input": "a"}),
        ({}, {"transition": {"from_ratio": 0.5}}),
    ],
    ids=str,
)
def test_what_is_planned_is_told_apart_from_a_typo(
    top: dict[str, Any], block: dict[str, Any]
) -> None:
    (problem,) = load({"schema": 1} | top, block).problems
    assert "not offered yet" in problem.message


def test_a_typo_gets_a_suggestion() -> None:
    (problem,) = load({"schema": 1, "sufix": "x"}).problems
    assert "did you mean suffix" in problem.message


class TestFrames:
    def test_frames_win_over_times(self) -> None:
        loaded = load({"schema": 1, "unit": "frames"}, {"startFrame": 0, "endFrame": 30})
        (block,) = loaded.require().blocks
        assert (block.start, block.end) == (0, 30)

    def test_times_may_then_be_absent(self) -> None:
        loaded = load(
            {"schema": 1, "unit": "frames"},
            {"startFrame": 0, "endFrame": 30},
            startTime=None,
            endTime=None,
        )
        assert loaded.problems == ()

    def test_every_block_needs_them(self) -> None:
        loaded = load({"schema": 1, "unit": "frames"}, {"startFrame": 0})
        assert errors(loaded) == ["prompts[0].ext.endFrame"]

    def test_they_need_the_unit(self) -> None:
        loaded = load({"schema": 1}, {"startFrame": 0, "endFrame": 30})
        assert errors(loaded) == ["prompts[0].ext.startFrame", "prompts[0].ext.endFrame"]

    def test_the_end_must_come_after_the_start(self) -> None:
        loaded = load({"schema": 1, "unit": "frames"}, {"startFrame": 9, "endFrame": 3})
        assert errors(loaded) == ["prompts[0].ext.endFrame"]


# --- strengths of LoRAs --------------------------------------------------------------------------


def with_lora(top: Any = None, params: Any = None) -> LoadedTimeline:
    block = {"startTime": 0, "endTime": 4, "prompts": [{"text": "a boat"}]}
    if params is not None:
        block["ext"] = {"params": params}
    settings = {"loras": [{"path": "Film v1.2.safetensors", "scale": 0.5}]}
    data = {"prompts": [block], "settings": settings, "version": "2.1", "ext": {"schema": 1}}
    if top is not None:
        data["ext"] = {"schema": 1, "schedules": top}
    return parse_timeline(json.dumps(data))


@pytest.mark.parametrize("name", ["Film v1.2", "film v1.2.safetensors"])
def test_strengths_go_by_the_name_of_the_file_with_or_without_its_ending(name: str) -> None:
    scheduled = with_lora({f"lora_scale.{name}": "0: (0.1), 9: (1)"}).require()
    assert [key.value for key in scheduled.ext.lora_schedules[0][1].keys] == [0.1, 1.0]
    own = with_lora(params={"lora_scale": {name: -0.5}}).require()
    assert own.blocks[0].lora_scales == ((name, -0.5),)


@pytest.mark.parametrize(
    ("top", "params", "path"),
    [
        ({"lora_scale.ink": "0: (1)"}, None, "ext.schedules.lora_scale.ink"),
        (None, {"lora_scale": {"ink": 1}}, "prompts[0].ext.params.lora_scale.ink"),
        ({"lora_scale.Film v1.2": "0: (11)"}, None, "ext.schedules.lora_scale.Film v1.2"),
        (None, {"lora_scale": {"film v1.2": "1"}}, "prompts[0].ext.params.lora_scale.film v1.2"),
        (None, {"lora_scale": 1}, "prompts[0].ext.params.lora_scale"),
        ({"lora_scale": "0: (1)"}, None, "ext.schedules.lora_scale"),
    ],
)
def test_a_wrong_strength_is_named(top: Any, params: Any, path: str) -> None:
    assert errors(with_lora(top, params)) == [path]

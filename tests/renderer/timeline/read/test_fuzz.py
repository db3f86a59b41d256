"""Whatever bytes come in, the answer is a timeline or a list of problems: no crash, no hang."""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.errors import ConfigError, TimelineError
from rushes.presets.preset import load_preset
from rushes.timeline.convert.convert import convert_prompt_map
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.read.load import LoadedTimeline, parse_timeline

PRESET = load_preset("tiny")

TIMELINE: dict[str, Any] = {
    "prompts": [
        {
            "startTime": 0,
            "endTime": 4.25,
            "prompts": [{"text": "a boat", "weight": 50}, {"text": "a pond", "weight": 50}],
            "transitionSteps": 4,
            "temporalInterpolationMethod": "slerp",
        },
        {
            "startTime": 4.25,
            "endTime": 9,
            "text": "a storm",
            "ext": {
                "startFrame": 68,
                "endFrame": 144,
                "transition": {"seconds": 1, "ease": [0.1, 0.2, 0.3, 0.4], "ramp": "eager"},
                "params": {"seed": 3, "denoising_steps": [700, 500]},
                "cache": "reset",
                "note": "x",
            },
        },
    ],
    "settings": {
        "pipelineId": "streamdiffusionv2",
        "inputMode": "video",
        "resolution": {"height": 512, "width": 512},
        "seed": 42,
        "denoisingSteps": [700, 500],
        "noiseScale": 0.8,
        "noiseController": False,
        "manageCache": True,
        "quantization": None,
        "kvCacheAttentionBias": 1,
        "loras": [{"id": "a", "path": "/x/paper.safetensors", "scale": 0.8}],
        "schemaFieldOverrides": {"base_seed": 7, "vae_type": "tae"},
    },
    "version": "2.1",
    "ext": {
        "schema": 1,
        "audio": {"uri": "a.wav", "offset": 1},
        "output": {"fps": "30000/1001", "codec": "h264", "crf": 18, "name": "boats"},
        "schedules": {"noise_scale": [{"t": 0, "v": 0.5}, {"t": 2, "v": 0.7, "ease": "in"}]},
    },
}
WORKFLOW: dict[str, Any] = {
    "format": "scope-workflow",
    "format_version": "1.0",
    "metadata": {"name": "Boats"},
    "pipelines": [
        {
            "pipeline_id": "streamdiffusionv2",
            "role": "main",
            "params": {"height": 480, "width": 832, "base_seed": 1},
            "loras": [{"filename": "paper.safetensors", "weight": 1, "provenance": {"url": "x"}}],
        },
        {"pipeline_id": "rife", "role": "postprocessor"},
    ],
    "timeline": {"entries": [{"start_time": 0, "end_time": 2, "prompts": [{"text": "a boat"}]}]},
    "prompts": [{"text": "a boat", "weight": 1}],
    "graph": {
        "nodes": [{"id": "in", "type": "source"}, {"id": "out", "type": "sink"}],
        "edges": [{"from": "in", "to_node": "out", "kind": "stream"}],
        "ui_state": {"node_params": {"in": {"__prompt": "a boat"}}},
    },
}
PROMPT_MAP: dict[str, Any] = {
    "prompt_map": {"0": "a boat", "32": "a pond --neg rain", "t": "`x`"},
    "prompt_fixed_ratio": 0.5,
    "seed": [3, -1],
    "output": {"fps": 8, "encode_param": {"crf": 10}},
    "prompts": {"0": "a boat", "30": "a pond"},
    "strength_schedule": "0: (0.65), 30: (0.2)",
    "animation_mode": "Video Input",
    "max_frames": 90,
    "W": 512,
    "H": 512,
}

ODD_NUMBERS = [0, -1, 1.5, 1e300, -1e300, 1e-300, 10**20, 10**400, float("nan"), float("inf")]
ODD_TEXTS = ["", "0", "\ud800", "\x00\x1b[31m", "1/0", "0: (1)", "frames", "é" * 99]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([*ODD_NUMBERS, *ODD_TEXTS])
)
keys = st.text(max_size=6) | st.sampled_from(["prompts", "settings", "ext", "format", "timeline"])
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside.extend(value.items())
    elif isinstance(value, list):
        inside.extend(enumerate(value))
    return [path, *(place for key, item in inside for place in places(item, (*path, key)))]


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """Take a real document and replace, remove or add things anywhere in it."""
    document: dict[str, Any] = copy.deepcopy(
        draw(st.sampled_from([TIMELINE, WORKFLOW, PROMPT_MAP]))
    )
    for _ in range(draw(st.integers(1, 4))):
        found = places(document)[1:]
        if not found:
            break
        *path, last = found[draw(st.integers(0, len(found) - 1))]
        owner: Any = document
        for key in path:
            owner = owner[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                owner[last] = draw(json_values)
            case "remove":
                del owner[last]
            case "add" if isinstance(owner, dict):
                owner[draw(keys)] = draw(json_values)
    return document


def assert_answered(loaded: LoadedTimeline) -> None:
    """Check the form of the problems, and that a timeline without an error can be planned."""
    for problem in loaded.problems:
        str(problem).encode()
        assert str(problem).isprintable()
        json.dumps(problem.to_dict(), ensure_ascii=False, allow_nan=False).encode()
    assert loaded.ok is all(problem.severity != "error" for problem in loaded.problems)
    if loaded.timeline is None:
        with pytest.raises(TimelineError):
            loaded.require()
        return
    for profile in ("scope", "upstream"):
        try:
            plan_render(loaded.timeline, PlanOptions(duration=Fraction(3), profile=profile), PRESET)
        except ConfigError as error:
            assert "do not fill" in str(error)  # noqa: PT017


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_are_answered(data: bytes) -> None:
    assert_answered(parse_timeline(data))


@given(json_values, st.booleans())
@settings(max_examples=200, deadline=None)
def test_random_json_is_answered(value: Any, strict: bool) -> None:
    assert_answered(parse_timeline(json.dumps(value), strict=strict))


@given(mutants(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_mutated_documents_are_answered(document: dict[str, Any], strict: bool) -> None:
    assert_answered(parse_timeline(json.dumps(document), strict=strict, allow_version=strict))


@given(st.sampled_from([TIMELINE, WORKFLOW]), st.data())
@settings(max_examples=100, deadline=None)
def test_documents_with_a_bad_byte_are_answered(
    document: dict[str, Any], data: st.DataObject
) -> None:
    raw = bytearray(json.dumps(document).encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert_answered(parse_timeline(bytes(raw)))


@given(mutants() | json_values)
@settings(max_examples=200, deadline=None)
def test_the_converter_answers_anything(document: Any) -> None:
    try:
        converted = convert_prompt_map(json.dumps(document).encode())
    except TimelineError as error:
        assert str(error)  # noqa: PT017
    else:
        assert parse_timeline(json.dumps(converted.document)).ok


def test_the_documents_that_are_mutated_are_valid() -> None:
    assert parse_timeline(json.dumps(TIMELINE)).problems[0].path.startswith("prompts[1].ext")
    framed = copy.deepcopy(TIMELINE)
    framed["ext"]["unit"] = "frames"
    framed["prompts"][0]["ext"] = {"startFrame": 0, "endFrame": 68}
    assert parse_timeline(json.dumps(framed)).ok
    assert parse_timeline(json.dumps(WORKFLOW)).ok


@pytest.mark.parametrize(
    "text",
    [
        '{"prompts": [' + "0," * 1_000_000 + "0]}",
        '{"prompts": [], "x": ' + "9" * 1_000_000 + "}",
        '{"prompts": [], "x": 0.' + "9" * 1_000_000 + "}",
        '{"prompts": [{"startTime": 0, "endTime": 1e308, "text": "a"}]}',
        '{"prompts": [' + '{"startTime": 0, "endTime": 1, "text": "a"},' * 20_000 + "{}]}",
    ],
    ids=["many faults", "long integer", "long fraction", "age of the universe", "all overlap"],
)
@pytest.mark.timeout(20)
def test_documents_made_to_hang_are_answered_in_time(text: str) -> None:
    loaded = parse_timeline(text)
    assert not loaded.ok
    assert len(loaded.problems) < 3100

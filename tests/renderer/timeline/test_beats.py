"""Places in beats become seconds as a document is read; everything else is as if they were."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from rushes.timeline.document import Timeline
from rushes.timeline.read.load import LoadedTimeline, parse_timeline


def load(document: dict[str, Any]) -> LoadedTimeline:
    return parse_timeline(json.dumps(document))


def timeline(ext: dict[str, Any], *blocks: dict[str, Any]) -> dict[str, Any]:
    prompts = [{"prompts": [{"text": "a cat", "weight": 1}], **block} for block in blocks]
    return {"version": "2.1", "prompts": prompts, "settings": {}, "ext": {"schema": 1, **ext}}


def errors(document: dict[str, Any]) -> list[str]:
    return [str(each) for each in load(document).problems if each.severity == "error"]


def read(document: dict[str, Any]) -> Timeline:
    return load(document).require()


IN_BEATS = timeline(
    {
        "unit": "beats",
        "bpm": 90,
        "schedules": {"noise_scale": [{"t": "0b", "v": 0.5}, {"t": "4.5b", "v": 0.7}]},
    },
    {"ext": {"startBeat": 0, "endBeat": 3}},
    {"ext": {"startBeat": 3, "endBeat": 7.5, "transition": {"beats": 1.5}}},
)
IN_SECONDS = timeline(
    {"schedules": {"noise_scale": [{"t": 0, "v": 0.5}, {"t": 3, "v": 0.7}]}},
    {"startTime": 0, "endTime": 2},
    {"startTime": 2, "endTime": 5, "ext": {"transition": {"seconds": 1}}},
)


def test_beats_are_read_as_their_seconds() -> None:
    assert read(IN_BEATS) == read(IN_SECONDS)


def test_beats_that_are_no_round_seconds_fall_on_a_microsecond() -> None:
    document = copy.deepcopy(IN_BEATS)
    document["ext"]["bpm"] = 140
    assert read(document).blocks[0].end == 1_285_714


def test_keyframes_may_be_in_beats_where_blocks_are_in_seconds() -> None:
    document = copy.deepcopy(IN_SECONDS)
    document["ext"]["bpm"] = 60
    document["ext"]["schedules"]["noise_scale"][1]["t"] = "3b"
    assert read(document) == read(IN_SECONDS)


def test_a_tempo_alone_changes_nothing() -> None:
    document = copy.deepcopy(IN_SECONDS)
    document["ext"]["bpm"] = 60
    assert read(document) == read(IN_SECONDS)


def test_a_workflow_has_beats_too() -> None:
    entries = [
        {"prompts": [{"text": "a", "weight": 1}], "ext": {"startBeat": 0, "endBeat": 4}},
        {"prompts": [{"text": "b", "weight": 1}], "ext": {"startBeat": 4, "endBeat": 8}},
    ]
    document = {
        "format": "scope-workflow",
        "format_version": "1.0",
        "metadata": {"name": "t"},
        "pipelines": [{"pipeline_id": "streamdiffusionv2", "role": "main", "params": {}}],
        "timeline": {"entries": entries},
        "ext": {"schema": 1, "unit": "beats", "bpm": 120},
    }
    assert [(block.start, block.end) for block in read(document).blocks] == [
        (0, 2_000_000),
        (2_000_000, 4_000_000),
    ]


@pytest.mark.parametrize(
    ("ext", "block", "message"),
    [
        ({"unit": "beats"}, {"startBeat": 0, "endBeat": 3}, "ext.bpm: is missing; write the tempo"),
        ({"unit": "beats", "bpm": 60}, {"startBeat": 0}, "prompts[0].ext.endBeat: is missing, and"),
        (
            {"unit": "beats", "bpm": 60},
            {"startBeat": 0, "endBeat": "3"},
            "must be a number of beats",
        ),
        ({"bpm": "fast"}, {}, 'ext.bpm: must be beats a minute, 1 to 1000, is the string "fast"'),
        ({"bpm": 0}, {}, "ext.bpm: must be beats a minute, 1 to 1000, is 0"),
        ({"bpm": 60}, {"startBeat": 0}, 'prompts[0].ext.startBeat: needs "unit": "beats"'),
        ({}, {"transition": {"beats": 2}}, "ext.bpm: is missing; write the tempo"),
        (
            {"bpm": 60},
            {"transition": {"beats": 2, "seconds": 1}},
            "prompts[0].ext.transition: has seconds and beats; one length is enough",
        ),
    ],
)
def test_what_is_wrong_with_beats_is_told_once(
    ext: dict[str, Any], block: dict[str, Any], message: str
) -> None:
    times = {} if "unit" in ext else {"startTime": 0, "endTime": 1}
    (error,) = errors(timeline(ext, {**times, "ext": block}))
    assert message in error


def test_a_time_that_is_no_beat_is_refused_as_before() -> None:
    document = timeline(
        {"bpm": 60, "schedules": {"noise_scale": [{"t": "3 beats", "v": 1}]}},
        {"startTime": 0, "endTime": 1},
    )
    assert any("noise_scale[0].t: must be a number" in error for error in errors(document))

"""Files of Deforum, Parseq and prompt travel: no word, video, number or key is lost in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rushes.errors import TimelineError
from rushes.timeline.convert.convert import Converted, convert_prompt_map
from rushes.timeline.convert.frame_numbers import read_frame


def convert(document: dict[str, Any] | str) -> Converted:
    text = document if isinstance(document, str) else json.dumps(document)
    return convert_prompt_map(text.encode())


def said(converted: Converted) -> str:
    return "\n".join(map(str, converted.problems))


def blocks(converted: Converted) -> list[tuple[float, str]]:
    return [
        (block["startTime"], block["prompts"][0]["text"]) for block in converted.document["prompts"]
    ]


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("0", 0),
        (" 12 ", 12),
        ("max_f", 119),
        ("max_f/2", 59),
        ("max_f - 10", 109),
        ("2*(3+4)", 14),
        ("7//2", 3),
        ("-1", None),
        ("t*2", None),
        ("__import__('os')", None),
        ("9**9**9", None),
        ("1/0", None),
        ("(" * 60 + "1" + ")" * 60, None),
        ("9" * 90, None),
    ],
)
def test_frame_numbers_are_evaluated_without_running_anything(text: str, frame: int | None) -> None:
    assert read_frame(text, 119) == frame


DEFORUM = {
    "W": 512,
    "H": 512,
    "fps": 15,
    "max_frames": 121,
    "animation_mode": "Video Input",
    "video_init_path": "C:\\clips\\in.mp4",
    "prompts": {"0": "a cat", "max_f/2": "a dog --neg blurry"},
    "animation_prompts_positive": "film grain",
    "animation_prompts_negative": "nsfw",
}


def test_deforums_words_and_video_are_kept() -> None:
    converted = convert(DEFORUM)
    assert blocks(converted) == [(0, "a cat"), (4, "a dog")]
    assert converted.document["ext"]["prefix"] == "film grain"
    assert converted.document["ext"]["inputs"] == [{"uri": "in.mp4"}]
    for part in ("in.mp4 is looked for", "animation_prompts_negative", "prompts.max_f/2: negative"):
        assert part in said(converted)


def test_a_key_that_cannot_be_evaluated_is_said() -> None:
    converted = convert({"prompts": {"0": "a", "sin(3)": "b"}, "max_frames": 9})
    assert "prompts.sin(3): is neither a frame number nor a sum of numbers" in said(converted)


def test_a_video_that_is_not_used_is_said() -> None:
    converted = convert(DEFORUM | {"animation_mode": "2D"})
    assert "inputs" not in converted.document["ext"]
    assert "video_init_path: is not used" in said(converted)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"prompts": {"0": "a", "0": "b"}}', "stands twice in one object"),
        ('{"0": "a", "0": "b"}', "stands twice in one object"),
        ('{"max_frames": 121, "prompts": {"60": "a", "max_f/2": "b"}}', "frame 60 a second time"),
        ("0: a cat\n0: a dog", "names frame 0 twice"),
        ("0: a cat\nend\n8: a dog", "behind words for all frames"),
        ("0: a cat\n8:", "frame 8 has no words"),
    ],
)
def test_what_would_lose_words_is_refused(text: str, says: str) -> None:
    with pytest.raises(TimelineError, match=says):
        convert(text)


PARSEQ: dict[str, Any] = {
    "meta": {"generated_by": "sd_parseq"},
    "prompts": {
        "format": "v2",
        "commonPrompt": {"positive": "film", "negative": ""},
        "commonPromptPos": "append",
        "promptList": [
            {"positive": "a cat", "negative": "", "from": 0, "to": 60, "overlap": {"inFrames": 0}},
            {
                "positive": "a dog",
                "negative": "x",
                "from": 50,
                "to": 120,
                "overlap": {"inFrames": 10},
            },
        ],
    },
    "options": {"output_fps": "20"},
    "keyframes": [{"frame": 0, "strength": 0.6}, {"frame": 119}],
}


def test_parseqs_overlaps_become_transitions() -> None:
    converted = convert(PARSEQ)
    assert blocks(converted) == [(0, "a cat"), (2.5, "a dog")]
    first, second = converted.document["prompts"]
    assert second["endTime"] == 6
    assert "ext" not in first
    assert 0 < second["ext"]["transition"]["seconds"] <= 0.5
    assert converted.document["ext"]["suffix"] == "film"
    assert converted.document["ext"]["output"]["fps"] == 20
    for part in ("negative prompts", "by keyframe have no counterpart"):
        assert part in said(converted)


def test_a_common_prompt_may_stand_before() -> None:
    prompts = PARSEQ["prompts"] | {"commonPromptPos": "prepend"}
    assert convert(PARSEQ | {"prompts": prompts}).document["ext"]["prefix"] == "film"


def test_parseqs_rendered_frames_are_read_where_there_is_no_list() -> None:
    frames = [
        {"frame": 0, "deforum_prompt": "a cat --neg "},
        {"frame": 1, "deforum_prompt": "a cat --neg "},
        {"frame": 40, "deforum_prompt": "a dog --neg x"},
    ]
    converted = convert({"meta": {"generated_by": "sd_parseq"}, "rendered_frames": frames})
    assert [text for _, text in blocks(converted)] == ["a cat", "a dog"]


def test_prompt_travel_keeps_the_words_for_all_frames() -> None:
    converted = convert("1girl, meadow,\n\n0: closed mouth\n8: open mouth\n16: (smile:0.8)\nbest")
    assert [text for _, text in blocks(converted)] == ["closed mouth", "open mouth", "(smile:0.8)"]
    ext = converted.document["ext"]
    assert (ext["prefix"], ext["suffix"]) == ("1girl, meadow", "best")
    assert '"(smile:0.8)" means nothing here' in said(converted)


# --- nothing is lost -----------------------------------------------------------------------------

LEAVES_TOLD: dict[str, dict[str, Any]] = {
    "deforum": {
        "max_frames": 60,
        "prompts": {"0": "a cat --neg ugly", "max_f/2": "a dog", "garbage": "a lion"},
        "positive_prompts": "film grain",
        "negative_prompts": "blurry",
        "animation_prompts": {"0": "older words"},
        "animation_mode": "Video Input",
        "video_init_path": "https://host/clip.mp4",
        "mask_file": "mask.png",
        "init_image": "start.png",
        "cn_1_vid_path": "depth.mp4",
        "add_soundtrack": "File",
        "soundtrack_path": "https://host/song.mp3",
        "seed_schedule": "0:(3)",
        "zoom": "0:(1.02)",
    },
    "animatediff": {
        "prompt_map": {"0": "a cat", "16": "a dog", "x": "a lion"},
        "prompt": ["other words"],
        "n_prompt": ["blurry"],
        "lora_map": {"film": 1},
        "controlnet_map": {"input_image_dir": "poses"},
        "output": {"fps": 8, "format": "gif", "encode_param": {"crf": 10, "preset": "slow"}},
        "steps": 20,
    },
    "parseq": {
        "meta": {"generated_by": "sd_parseq"},
        "prompts": {
            "promptList": [
                {"positive": "a cat", "from": 0, "to": 9, "weight": 2},
                {"positive": "a dog", "from": 9, "to": 30, "overlap": {"type": "custom"}},
                {"positive": "a lion", "from": 30, "to": 40, "enabled": False},
            ],
            "commonPrompt": {"positive": "film", "negative": "no", "allFrames": False, "from": 3},
        },
        "options": {"output_fps": "20", "bpm": 140},
        "keyframes": [{"frame": 0, "info": "start"}],
        "timeSeries": [{"alias": "drums"}],
        "locked": True,
    },
}
# What becomes times, is named with its array, or is of the tool's own page.
ELSEWHERE = {
    *("animation_mode", "add_soundtrack"),  # which become modes
    "max_frames",
    "from",
    "to",
    "frame",
    "info",
    "alias",
    "input_image_dir",
    "generated_by",
}


def leaves(value: Any, key: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in leaves(inner, name)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, key)]
    return [(key, value)]


@pytest.mark.parametrize("name", LEAVES_TOLD)
def test_every_key_is_in_the_timeline_or_is_named(name: str) -> None:
    document = LEAVES_TOLD[name]
    converted = convert(document)
    told = json.dumps(converted.document) + said(converted)
    for key, value in leaves(document):
        if key not in ELSEWHERE:
            assert str(value) in told or key in told, (key, value, told)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (LEAVES_TOLD["deforum"], "not converted: animation_prompts, mask_file, init_image"),
        (LEAVES_TOLD["deforum"], "soundtrack_path: is not fetched; save it beside the timeline"),
        (
            LEAVES_TOLD["animatediff"],
            "words or pictures that are not converted: prompt, controlnet",
        ),
        (LEAVES_TOLD["parseq"], 'promptList[2].enabled: is false; "a lion" is left out'),
        (LEAVES_TOLD["parseq"], "overlap.type: becomes a linear way"),
        (LEAVES_TOLD["parseq"], "commonPrompt.allFrames: holds at some frames only"),
    ],
)
def test_words_and_pictures_that_are_left_out_are_a_warning(
    document: dict[str, Any], words: str
) -> None:
    warnings = [each for each in convert(document).problems if each.severity == "warning"]
    assert words in "\n".join(map(str, warnings))


def test_positive_words_of_the_newer_key_and_prompts_of_the_notebook_count() -> None:
    found = convert({"animation_prompts": {"0": "a cat"}, "positive_prompts": "film"})
    assert blocks(found) == [(0, "a cat")]
    assert found.document["ext"]["prefix"] == "film"


def test_what_the_web_ui_puts_behind_a_prompt_is_not_taken_for_words() -> None:
    text = "girl\n0: a cat\n8: a dog\nbest\nNegative prompt: bad hands\nmore of it\n"
    found = convert(f"{text}Steps: 20, Sampler: Euler, Seed: 5")
    assert (found.document["ext"]["prefix"], found.document["ext"]["suffix"]) == ("girl", "best")
    assert "line 5: negative prompts are not offered" in said(found)
    assert "line 7: settings of an image are not converted" in said(found)


@pytest.mark.parametrize("line", ["4-8: b", "-4: b", "1.5: b"])
def test_a_line_that_begins_with_an_odd_frame_is_refused(line: str) -> None:
    with pytest.raises(TimelineError, match="line 2: does not begin with one whole frame number"):
        convert(f"0: a\n{line}")


def deforum(**more: Any) -> dict[str, Any]:
    return {"prompts": {"0": "a cat", "9": "a dog"}, "max_frames": 20, "fps": 10} | more


VIDEO = {"animation_mode": "Video Input", "video_init_path": "/home/ann/in.mp4"}
TOLD: dict[str, tuple[dict[str, Any] | str, str]] = {
    "negative part of common words": (
        deforum(animation_prompts_positive="film --neg blur"),
        "animation_prompts_positive: negative prompts are not offered",
    ),
    "negative part of a line": ("0: a cat --neg blur\n8: a dog", "line 1: negative prompts"),
    "prompt that is null": (deforum(prompts={"0": "a cat", "9": None}), "holds no words; left out"),
    "prompts of Parseq": (deforum(parseq_manifest='{"a": 1}'), "the prompts of Parseq replace"),
    "part of a video": (deforum(**VIDEO, extract_nth_frame=2), "cut the input video before"),
    "sound of no video": (deforum(add_soundtrack="Init Video"), "so there is no sound"),
    "prompts of regions": (
        {"prompt_map": {"0": "a"}, "region_map": {"0": {"condition": {"prompt_map": {"0": "b"}}}}},
        "words or pictures that are not converted: region_map",
    ),
}


@pytest.mark.parametrize("kind", TOLD)
def test_what_else_is_lost_is_a_warning(kind: str) -> None:
    document, words = TOLD[kind]
    warnings = [each for each in convert(document).problems if each.severity == "warning"]
    assert words in "\n".join(map(str, warnings))


def test_negative_parts_do_not_reach_the_timeline() -> None:
    for kind in ("negative part of common words", "negative part of a line"):
        assert "blur" not in json.dumps(convert(TOLD[kind][0]).document)


def test_files_of_addresses_and_paths_go_by_their_names() -> None:
    video = VIDEO | {"video_init_path": "https://x.org/in.mp4?key=1"}
    ext = convert(deforum(**video, add_soundtrack="File", soundtrack_path="/x/s.mp3")).document[
        "ext"
    ]
    assert ext["inputs"] == [{"uri": "in.mp4"}]
    assert ext["audio"] == {"uri": "s.mp3"}


def test_a_video_in_whole_is_no_warning() -> None:
    whole = deforum(**VIDEO, extract_nth_frame=1, extract_from_frame=0, extract_to_frame=-1)
    assert "cut the input" not in said(convert(whole))


def test_the_last_frame_of_fizznodes_is_evaluated() -> None:
    found = convert({"0": "a", "max_f/2": "b", "max_frames": 25, "fps": 1})
    assert [text for _, text in blocks(found)] == ["a", "b"]


def test_prompt_travel_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(TimelineError, match="is not UTF-8: line 1, byte 7"):
        convert_prompt_map("0: caf\u00e9\n8: b".encode("latin-1"))

"""Prompt syntax that means nothing here is found; what only looks like it is not."""

from __future__ import annotations

import json

import pytest

from rushes.timeline.prompt_syntax import odd_syntax
from rushes.timeline.read.load import parse_timeline


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a cat <lora:film:0.8>", "<lora:film:0.8>"),
        ("a (red boat:1.3) at sea", "(red boat:1.3)"),
        ("a [cat|dog]", "[cat|dog]"),
        ("a [cat:dog:0.5]", "[cat:dog:0.5]"),
        ("a {red|blue} boat", "{red|blue}"),
        ("a __colour__ boat", "__colour__"),
        ("weight ${prompt_weight_1}", "${prompt_weight_1}"),
        ("a boat embedding:film", "embedding:film"),
        ("a boat --neg blurry", "--neg"),
        ("a boat BREAK a dog", "BREAK"),
    ],
)
def test_it_is_a_warning_of_every_kind_of_file(text: str, found: str) -> None:
    assert [odd for odd, _ in odd_syntax(text)] == [found]
    prompts = [{"text": text, "weight": 1}]
    pipeline = {"pipeline_id": "streamdiffusionv2"}
    workflow = {"format": "scope-workflow", "format_version": "1.0", "pipelines": [pipeline]}
    for document in (
        {"prompts": [{"startTime": 0, "endTime": 1, "prompts": prompts}]},
        {"prompts": [{"startTime": 0, "endTime": 1, "text": text}]},
        workflow | {"prompts": prompts},
    ):
        loaded = parse_timeline(json.dumps(document))
        warnings = [str(each) for each in loaded.problems if each.severity == "warning"]
        assert len(warnings) == 1
        assert found in warnings[0]


PLAIN = (
    *("a boat (red) at 10:30", "[wide shot] a sea", "12:30, a clock", "snake_case_name", "break"),
    *("A **sunflower** sitting", 'he said: "go"', "a {curly} brace", "don't --stop"),
)


@pytest.mark.parametrize("text", PLAIN)
def test_plain_words_are_left_alone(text: str) -> None:
    assert odd_syntax(text) == []

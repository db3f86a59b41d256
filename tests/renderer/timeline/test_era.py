"""Old files of Scope are told by what they lack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rushes.timeline.era import propose_profile
from rushes.timeline.read.load import parse_timeline

BLOCK = {"startTime": 0, "endTime": 4, "prompts": [{"text": "a boat"}]}
OLD: dict[str, Any] = {
    "prompts": [BLOCK],
    "settings": {"pipelineId": "streamdiffusionv2", "seed": 42},
    "version": "2.0",
}


def proposal(document: dict[str, Any], profile: str = "scope") -> str | None:
    return propose_profile(parse_timeline(json.dumps(document)).require(), profile)


def test_an_old_file_has_its_profile_proposed_in_one_line() -> None:
    line = proposal(OLD)
    assert line is not None
    assert "--profile scope-2025-10" in line
    assert "\n" not in line


def test_whoever_has_chosen_is_left_alone() -> None:
    assert proposal(OLD, "scope-2025-10") is None
    assert proposal(OLD, "upstream") is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2.1"},
        {"version": "1.0"},
        {"settings": OLD["settings"] | {"inputMode": "video"}},
        {"prompts": [BLOCK | {"transitionSteps": 0}]},
        {"prompts": [BLOCK | {"temporalInterpolationMethod": "linear"}]},
        {"ext": {"schema": 1, "prefix": "film"}},
    ],
    ids=["2.1", "1.0", "mode", "steps", "method", "ext"],
)
def test_newer_files_and_our_own_are_not_old(change: dict[str, Any]) -> None:
    assert proposal(OLD | change) is None

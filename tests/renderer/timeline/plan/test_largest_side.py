"""A preset that was trained on small pictures limits the size that a timeline asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rushes.presets.preset import Preset, load_preset
from rushes.timeline.plan.job_settings import limited_size
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline


@pytest.fixture(scope="module")
def small() -> Preset:
    return load_preset("tiny").model_copy(update={"name": "small", "largest_side": 128})


def plan(preset: Preset, asked_height: int, asked_width: int, **options: Any) -> RenderPlan:
    size = {"height": asked_height, "width": asked_width}
    data = {
        "prompts": [{"startTime": 0, "endTime": 1, "prompts": [{"text": "a cat", "weight": 1}]}],
        "settings": {"inputMode": "text", "resolution": size},
        "version": "2.1",
    }
    return plan_render(parse_timeline(json.dumps(data)).require(), PlanOptions(**options), preset)


@pytest.mark.parametrize(
    ("size", "limited"),
    [
        ((512, 512), (128, 128)),
        ((480, 832), (80, 128)),
        ((128, 96), (128, 96)),
        ((1024, 128), (128, 64)),
    ],
    ids=str,
)
def test_a_size_shrinks_in_proportion_to_multiples_of_16(
    size: tuple[int, int], limited: tuple[int, int]
) -> None:
    assert limited_size(size, 128) == limited
    assert limited_size(size, None) == size


def test_a_timeline_that_asks_for_more_is_told_what_it_gets(small: Preset) -> None:
    made = plan(small, 512, 512)
    assert (made.height, made.width) == (128, 128)
    (warning,) = [text for text in made.warnings if "small" in text]
    assert "512x512 is rendered as 128x128" in warning


def test_a_size_given_by_hand_is_kept_with_a_warning(small: Preset) -> None:
    made = plan(small, 512, 512, height=256, width=320)
    assert (made.height, made.width) == (256, 320)
    (warning,) = [text for text in made.warnings if "small" in text]
    assert "320x256 will not look right" in warning


def test_what_fits_is_rendered_without_a_word(small: Preset) -> None:
    made = plan(small, 128, 96)
    assert (made.height, made.width) == (128, 96)
    assert not made.warnings

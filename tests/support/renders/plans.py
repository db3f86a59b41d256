"""Timelines in a line or two, their plans, and what tests look at in these."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from rushes.presets.preset import Preset
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline

# Boundaries of the published timelines, clock noise included; the texts are our own.
EVOLUTION = (0, 4.3515, 9.23580000001192, 12.65410000002384, 18.242199999928474, 28.593)
FELINE = (0, 4.7475, 10.0644, 14.9814, 20.058, 24.3043)
PREY = (0, 4.9427999999523164, 12.1267, 19.6105, 30.7512)


def block(start: Any, end: Any, text: str, **more: Any) -> dict[str, Any]:
    return {"startTime": start, "endTime": end, "prompts": [{"text": text, "weight": 100}]} | more


def chain(*times: float) -> list[dict[str, Any]]:
    """Adjacent blocks, each with a text of its own."""
    return [
        block(start, end, f"boat {index}") for index, (start, end) in enumerate(pairwise(times))
    ]


def document(*blocks: Any, ext: Any = None, **settings: Any) -> dict[str, Any]:
    data = {"prompts": list(blocks), "settings": settings, "version": "2.1"}
    return data | ({"ext": {"schema": 1} | ext} if ext is not None else {})


def plan(data: dict[str, Any], preset: Preset, **options: Any) -> RenderPlan:
    timeline = parse_timeline(
        json.dumps(data), pipeline=options.get("pipeline") or preset.pipeline_id
    ).require()
    return plan_render(timeline, PlanOptions(**options), preset)


def entries(made: RenderPlan) -> list[tuple[int, int, int]]:
    """Return (block, chunk, frame) wherever another block takes effect."""
    found: list[tuple[int, int, int]] = []
    for chunk in made.chunks:
        if not found or found[-1][0] != chunk.prompt_block:
            found.append((chunk.prompt_block, chunk.index, chunk.first_frame))
    return found


def resets(made: RenderPlan) -> list[int]:
    return [chunk.index for chunk in made.chunks if chunk.reset]


def weights(made: RenderPlan) -> dict[int, float]:
    return {chunk.index: chunk.transition for chunk in made.chunks if chunk.transition is not None}

"""What earlier renders say of the next one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from renders.shots import block, timeline
from rushes.history.estimates import estimate
from rushes.history.rates import Kind, Rate
from rushes.presets.preset import load_preset
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline

PLAN_STEPS = (700, 500)
KIND = Kind("tiny", "wan", "H200", "bfloat16", 64, 64, 2)


@pytest.fixture(scope="module")
def plan() -> RenderPlan:
    parsed = parse_timeline(json.dumps(timeline(block("a boat", 0, 2)))).require()
    options = PlanOptions(width=64, height=64, denoising_steps=PLAN_STEPS)
    return plan_render(parsed, options, load_preset("tiny"))


def test_the_same_kind_gives_time_and_size(plan: RenderPlan) -> None:
    (found,) = estimate(plan, "tiny", [Rate(KIND, (0.5, 0.1, 0.2), (1000.0,))])
    assert found.seconds == pytest.approx(0.2 * plan.num_frames_made)
    assert found.num_bytes == 1000 * plan.num_frames
    assert (found.device, found.renders, found.measured_at) == ("H200", 3, None)


def test_another_size_is_scaled_by_its_pixels_and_passes(plan: RenderPlan) -> None:
    half = replace(KIND, width=32, steps=5)
    (found,) = estimate(plan, "tiny", [Rate(half, (0.2,), (1000.0,))])
    assert found.seconds == pytest.approx(0.2 * 2 * (3 / 6) * plan.num_frames_made)
    assert found.num_bytes == 2000 * plan.num_frames


def test_scaled_estimates_say_where_they_come_from(plan: RenderPlan) -> None:
    (found,) = estimate(plan, "tiny", [Rate(replace(KIND, width=32), (0.2,))])
    assert (found.measured_at, found.num_bytes) == ((32, 64), None)


def test_each_device_has_one_by_the_nearest_kind_and_the_fastest_is_first(
    plan: RenderPlan,
) -> None:
    rates = [
        Rate(replace(KIND, device="cpu"), (9.0,)),
        Rate(replace(KIND, width=1024), (0.9,)),
        Rate(KIND, (0.1,)),
        Rate(replace(KIND, width=32), (0.7,)),
    ]
    assert [(each.device, each.measured_at) for each in estimate(plan, "tiny", rates)] == [
        ("H200", None),
        ("cpu", None),
    ]


def test_other_presets_and_autoencoders_say_nothing(plan: RenderPlan) -> None:
    others = replace(KIND, preset="pocket"), replace(KIND, vae_type="tae")
    assert estimate(plan, "tiny", [Rate(kind, (1.0,)) for kind in others]) == []

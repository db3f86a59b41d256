"""A short video to video with random prompts, for measurements."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import torch

from rushes.drivers.open_stream import open_stream
from rushes.presets.kinds import VaeType
from rushes.presets.preset import Preset
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models, Stream
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline

NOISE_SCALE = 0.8
FPS = 16


def plan_chunks(
    preset: Preset,
    size: tuple[int, int],
    steps: tuple[int, ...] | None,
    count: int,
    vae_type: VaeType | None = None,
    seed: int | None = None,
) -> RenderPlan:
    """Plan so many chunks of video to video with one prompt; ``size`` is width and height."""
    lengths = [preset.chunk.num_frames("video", is_first=index == 0) for index in range(count)]
    prompt = {"text": "random", "weight": 100}
    block = {"startTime": 0, "endTime": sum(lengths) / FPS, "prompts": [prompt]}
    settings = {"pipelineId": preset.pipeline_id, "noiseController": False}
    document = json.dumps({"prompts": [block], "settings": settings})
    options = PlanOptions(
        mode="video",
        fps=Fraction(FPS),
        duration=Fraction(sum(lengths), FPS),
        width=size[0],
        height=size[1],
        denoising_steps=steps,
        noise_scale=NOISE_SCALE,
        vae_type=vae_type,
        seed=seed,
    )
    plan = plan_render(parse_timeline(document).require(), options, preset)
    assert len(plan.chunks) == count
    return plan


def open_random_stream(
    models: Models,
    preset: Preset,
    plan: RenderPlan,
    clock: StageClock | None = None,
    *,
    graphs: bool = False,
    overlaps: bool = False,
) -> Stream:
    """Open a stream that has a random embedding, seeded, for every prompt.

    ``graphs`` and ``overlaps`` as for ``open_stream``.
    """
    config, generator = models.dit.config, torch.Generator().manual_seed(0)
    embedding = torch.randn(1, config.text_len, config.text_dim, generator=generator)
    how: dict[str, Any] = {"graphs": graphs, "overlaps": overlaps}
    return open_stream(models, preset, plan, lambda text: embedding, clock=clock, **how)

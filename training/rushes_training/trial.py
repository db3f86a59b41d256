"""Renders of the little world in memory, for what the pocket model is measured by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from rushes.drivers.open_stream import open_stream
from rushes.rendering.pipeline import Pipeline
from rushes.stream.ahead import ChunkInputs
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline

FPS = 16


@dataclass(frozen=True)
class Shot:
    """A small timeline: prompts with their lengths in frames, and the settings that matter.

    ``window`` and ``sinks`` of None are the preset's.
    """

    prompts: Sequence[tuple[int, str]]
    seed: int = 42
    noise_scale: float = 0.7
    transition_steps: int = 0
    noise_controller: bool = False
    window: int | None = None
    sinks: int | None = None


def render_shot(pipeline: Pipeline, shot: Shot, film: Tensor | None) -> Tensor:
    """Render a shot from a film, or from text.

    Shapes:
        film: [T, 3, H, W] in [-1, 1]
        returns: [T, 3, H, W] in [-1, 1]
    """
    size = pipeline.preset.largest_side if film is None else film.shape[-1]
    assert size is not None
    plan = _plan(pipeline, shot, film, size)
    changed = {"window": shot.window, "sinks": shot.sinks}
    chunk = pipeline.preset.chunk.model_copy(
        update={name: value for name, value in changed.items() if value is not None}
    )
    embeddings = pipeline.prompt_embeddings([text for _, text in shot.prompts])
    preset = pipeline.preset.model_copy(update={"chunk": chunk})
    stream = open_stream(pipeline.models, preset, plan, embeddings.__getitem__)
    frames = torch.cat(list(stream.render(_inputs(plan, film))))[: plan.num_frames]
    return frames.permute(0, 3, 1, 2).float() / 127.5 - 1


def _plan(pipeline: Pipeline, shot: Shot, film: Tensor | None, size: int) -> RenderPlan:
    blocks: list[dict[str, Any]] = []
    frame = 0
    for num_frames, text in shot.prompts:
        start, frame = frame, frame + num_frames
        blocks.append(
            {
                "startTime": start / FPS,
                "endTime": frame / FPS,
                "prompts": [{"text": text, "weight": 100}],
                "transitionSteps": shot.transition_steps,
                "temporalInterpolationMethod": "linear",
            }
        )
    document = {
        "version": "2.1",
        "prompts": blocks,
        "settings": {
            "pipelineId": pipeline.preset.pipeline_id,
            "inputMode": "text" if film is None else "video",
            "resolution": {"height": size, "width": size},
            "seed": shot.seed,
            "noiseScale": shot.noise_scale,
            "noiseController": shot.noise_controller,
            "manageCache": False,
        },
    }
    timeline = parse_timeline(json.dumps(document)).require()
    options = PlanOptions(fps=Fraction(FPS), input_fps=Fraction(FPS))
    return plan_render(timeline, options, pipeline.preset)


def _inputs(plan: RenderPlan, film: Tensor | None) -> Iterator[tuple[Any, ChunkInputs]]:
    for chunk in plan.chunks:
        if film is None:
            yield chunk, ChunkInputs()
            continue
        index = torch.arange(chunk.first_frame, chunk.first_frame + chunk.num_frames)
        frames = film[index.clamp_max(len(film) - 1)]
        pixels = ((frames + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
        yield chunk, ChunkInputs(video=pixels)

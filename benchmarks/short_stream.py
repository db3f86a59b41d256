"""A short video to video with networks that are at hand, and its stream: for measurements."""

from __future__ import annotations

import json
from fractions import Fraction

import torch
from torch import Tensor

from rushes.drivers.open_stream import open_stream
from rushes.presets.preset import Preset
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ChunkInputs, Models, Stream
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import Chunk, RenderPlan
from rushes.timeline.read.load import parse_timeline

NOISE_SCALE = 0.8
FPS = 16
Size = tuple[int, int]  # width and height in pixels


def render_chunks(
    models: Models, preset: Preset, size: Size, steps: tuple[int, ...], count: int
) -> Tensor:
    """Render the first chunks of a stream whose input and prompt are random, seeded.

    Shapes:
        returns: [T, H, W, 3], uint8, on the CPU
    """
    plan = plan_chunks(preset, size, steps, count)
    stream = open_random_stream(models, preset, plan)
    inputs = ((chunk, ChunkInputs(video=_video(chunk, size))) for chunk in plan.chunks)
    return torch.cat([frames.cpu() for frames in stream.render(inputs)])


def open_random_stream(
    models: Models, preset: Preset, plan: RenderPlan, clock: StageClock | None = None
) -> Stream:
    """Open a stream that has a random embedding, seeded, for every prompt."""
    config = models.dit.config
    embedding = torch.randn(1, config.text_len, config.text_dim, generator=_seeded(0))
    return open_stream(models, preset, plan, lambda text: embedding, clock=clock)


def plan_chunks(preset: Preset, size: Size, steps: tuple[int, ...], count: int) -> RenderPlan:
    """Plan so many chunks of video to video with one prompt."""
    lengths = [preset.chunk.num_frames("video", is_first=index == 0) for index in range(count)]
    document = {
        "prompts": [
            {
                "startTime": 0,
                "endTime": sum(lengths) / FPS,
                "prompts": [{"text": "random", "weight": 100}],
            }
        ],
        "settings": {"pipelineId": preset.pipeline_id, "noiseController": False},
    }
    options = PlanOptions(
        mode="video",
        fps=Fraction(FPS),
        duration=Fraction(sum(lengths), FPS),
        width=size[0],
        height=size[1],
        denoising_steps=steps,
        noise_scale=NOISE_SCALE,
    )
    plan = plan_render(parse_timeline(json.dumps(document)).require(), options, preset)
    assert len(plan.chunks) == count
    return plan


def _video(chunk: Chunk, size: Size) -> Tensor:
    width, height = size
    coarse = torch.randint(
        0, 256, (1, height // 8, width // 8, 3), generator=_seeded(7), dtype=torch.uint8
    )
    picture = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
    moved = [picture.roll(2 * (chunk.first_frame + index), 2) for index in range(chunk.num_frames)]
    return torch.cat(moved)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)

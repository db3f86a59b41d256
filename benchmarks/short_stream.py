"""The frames of a short video to video with networks that are at hand, for measurements."""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.bench.short_stream import open_random_stream, plan_chunks
from rushes.presets.preset import Preset
from rushes.stream.ahead import ChunkInputs
from rushes.stream.stream import Models
from rushes.timeline.plan.render_plan import Chunk

Size = tuple[int, int]  # width and height in pixels


def render_chunks(
    models: Models,
    preset: Preset,
    size: Size,
    steps: tuple[int, ...],
    count: int,
    *,
    replays: bool = False,
) -> Tensor:
    """Render the first chunks of a stream whose input and prompt are random, seeded.

    With ``replays`` steps are replayed, and encoding and decoding overlap the passes.

    Shapes:
        returns: [T, H, W, 3], uint8, on the CPU
    """
    plan = plan_chunks(preset, size, steps, count)
    stream = open_random_stream(models, preset, plan, graphs=replays, overlaps=replays)
    inputs = ((chunk, ChunkInputs(video=_video(chunk, size))) for chunk in plan.chunks)
    return torch.cat([frames.cpu() for frames in stream.render(inputs)])


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

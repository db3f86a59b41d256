"""A stream of video to video with networks that are at hand, and its chunks: for measurements."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from rushes.presets.preset import Preset
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import FixedNoiseScale
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ChunkInputs, Models, Stream
from rushes.stream.variants import DriverOptions
from rushes.timeline.document import Prompt
from rushes.timeline.plan.render_plan import Chunk

NOISE_SCALE = 0.8


def render_chunks(
    models: Models,
    preset: Preset,
    size: tuple[int, int],
    steps: tuple[int, ...],
    count: int,
) -> Tensor:
    """Render the first chunks of a stream whose input and prompt are random, seeded.

    Shapes:
        returns: [T, H, W, 3], uint8, on the CPU
    Units: ``size`` is width and height in pixels
    """
    stream = open_stream(models, preset, size, StageClock(models.device))
    inputs = (
        (chunk, ChunkInputs(video=_video(chunk, size)))
        for chunk in make_chunks(preset, steps, count)
    )
    return torch.cat([frames.cpu() for frames in stream.render(inputs)])


def open_stream(models: Models, preset: Preset, size: tuple[int, int], clock: StageClock) -> Stream:
    """Open a stream whose one prompt is random, seeded; ``size`` is width and height in pixels."""
    width, height = size
    config = models.dit.config
    embedding = torch.randn(1, config.text_len, config.text_dim, generator=_seeded(0))
    return Stream(
        models,
        height=height,
        width=width,
        driver=DriverOptions(preset.chunk.window, preset.chunk.sinks),
        prompts={0: (Prompt("random"),)},
        conditioning=Conditioning(lambda text: embedding),
        noise_controller=FixedNoiseScale(),
        clock=clock,
    )


def make_chunks(preset: Preset, steps: tuple[int, ...], count: int) -> Iterator[Chunk]:
    """Yield the first chunks of a video without a plan."""
    first_frame = position = 0
    for index in range(count):
        num_frames = preset.chunk.num_frames("video", is_first=index == 0)
        latent_frames = (num_frames + 3) // 4
        yield Chunk(
            index=index,
            first_frame=first_frame,
            num_frames=num_frames,
            num_latent_frames=latent_frames,
            position=position,
            prompt_block=0,
            transition=None,
            transition_method="linear",
            reset=index == 0,
            seed=index,
            noise_scale=NOISE_SCALE,
            denoising_steps=steps,
        )
        first_frame, position = first_frame + num_frames, position + latent_frames


def _video(chunk: Chunk, size: tuple[int, int]) -> Tensor:
    width, height = size
    coarse = torch.randint(
        0, 256, (1, height // 8, width // 8, 3), generator=_seeded(7), dtype=torch.uint8
    )
    picture = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
    moved = [picture.roll(2 * (chunk.first_frame + index), 2) for index in range(chunk.num_frames)]
    return torch.cat(moved)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)

"""Streams on tiny networks, their chunks and their input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from renders.tiny_models import CPU, DIT, normal, shared_vae, tiny_dit
from rushes.drivers.variants import DriverOptions
from rushes.lanes import Lanes
from rushes.stream.ahead import ChunkInputs
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import FixedNoiseScale, NoiseController
from rushes.stream.pixels import to_bytes
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ClipSpan, Models, Stream
from rushes.timeline.document import Prompt
from rushes.timeline.plan.render_plan import Chunk

HEIGHT, WIDTH = 32, 48
TEXTS = ("a boat", "a pond")
PROMPTS = {index: (Prompt(text),) for index, text in enumerate(TEXTS)}
ROLLING = DriverOptions(window=6, sinks=3)
FIRST = Chunk(
    index=0,
    first_frame=0,
    num_frames=5,
    num_latent_frames=2,
    position=0,
    prompt_block=0,
    transition=None,
    transition_method="linear",
    reset=True,
    seed=42,
    noise_scale=None,
    denoising_steps=(1000, 750),
)


@cache
def models() -> Models:
    return Models(
        dit=tiny_dit(),
        vae=shared_vae(),
        schedule=FlowSchedule(),
        normalise_encoded=False,
        device=CPU,
        dtype=torch.float32,
    )


def embed(text: str) -> Tensor:
    return normal(1, DIT.text_len, DIT.text_dim, seed=len(text) + ord(text[-1]))


def open_stream(
    controller: NoiseController | None = None,
    *,
    height: int = HEIGHT,
    clock: StageClock | None = None,
    parts: Models | None = None,
    driver: DriverOptions = ROLLING,
    graphs: bool = False,
    clips: dict[int, ClipSpan] | None = None,
    lanes: Lanes | None = None,
) -> Stream:
    return Stream(
        parts or models(),
        height=height,
        width=WIDTH,
        driver=driver,
        prompts=PROMPTS,
        conditioning=Conditioning(embed),
        noise_controller=controller or FixedNoiseScale(),
        clock=clock or StageClock(),
        graphs=graphs,
        clips=clips,
        lanes=lanes,
    )


def plan(
    count: int,
    *,
    resets: Sequence[int] = (0,),
    blocks: Sequence[int] = (),
    noise_scale: float | None = None,
    seed: int = 42,
    steps: tuple[int, ...] = FIRST.denoising_steps,
) -> list[Chunk]:
    """Chunks as a plan makes them: 5 frames after a reset, then 4; seeds follow the position."""
    chunks: list[Chunk] = []
    frame = position = 0
    for index in range(count):
        is_reset = index in resets
        position = 0 if is_reset else position
        num_latents = 2 if is_reset else 1
        chunks.append(
            replace(
                FIRST,
                index=index,
                first_frame=frame,
                num_frames=4 * num_latents - 3 * is_reset,
                num_latent_frames=num_latents,
                position=position,
                prompt_block=blocks[index] if blocks else 0,
                reset=is_reset,
                seed=seed + position,
                noise_scale=noise_scale,
                denoising_steps=steps,
            )
        )
        frame += chunks[-1].num_frames
        position += num_latents
    return chunks


def clip(num_frames: int = 40, seed: int = 0) -> Tensor:
    """A picture that changes slowly: [T, H, W, 3], uint8."""
    coarse = normal(1, 3, num_frames // 4 + 1, HEIGHT // 8, WIDTH // 8, seed=seed)
    smooth = torch.nn.functional.interpolate(coarse, (num_frames, HEIGHT, WIDTH), mode="trilinear")
    return to_bytes(smooth.transpose(1, 2))


def inputs_of(chunk: Chunk, video: Tensor | None) -> ChunkInputs:
    if video is None:
        return ChunkInputs()
    return ChunkInputs(video=video[chunk.first_frame : chunk.first_frame + chunk.num_frames])

"""Streams of every kind of the model family on tiny networks, and chunks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from renders.streams import FIRST, HEIGHT, PROMPTS, WIDTH, embed, models
from rushes.drivers.variants import DriverOptions
from rushes.stream.ahead import ChunkInputs
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import FixedNoiseScale
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ClipSpan, Stream
from rushes.timeline.plan.render_plan import Chunk

SIZE = 3  # latent frames a chunk
RECACHE = DriverOptions(window=9, sinks=3, variant="recache", chunk_frames=SIZE)
BANK = replace(RECACHE, variant="bank", bank_frames=2, record_every=1)
EMA = replace(RECACHE, variant="ema-sink", sink_kept=0.5)
REBUILT = DriverOptions(
    window=6, sinks=0, variant="rebuilt", chunk_frames=SIZE, context_frames=3, context_bias=0.3
)
CLIP = DriverOptions(window=9, sinks=0, variant="clip", chunk_frames=SIZE, context_frames=3)
STEPS = DriverOptions(window=24, sinks=3, variant="step-window", chunk_frames=SIZE, attended=21)
KINDS = {
    "recache": RECACHE,
    "bank": BANK,
    "ema-sink": EMA,
    "rebuilt": REBUILT,
    "clip": CLIP,
    "step-window": STEPS,
}
CLIP_FRAMES = 9


def chunks_of(
    options: DriverOptions, count: int, resets: Sequence[int] = (), blocks: Sequence[int] = ()
) -> list[Chunk]:
    """Chunks of three latent frames; clips of nine go on from the end of the one before."""
    chunks: list[Chunk] = []
    position = 0
    for index in range(count):
        is_over = options.variant == "clip" and position >= CLIP_FRAMES
        is_reset = index == 0 or index in resets or is_over
        position = 0 if is_reset else position
        seed = 42 if options.variant in ("clip", "step-window") else 42 + position
        chunks.append(
            replace(
                FIRST,
                index=index,
                num_frames=4 * SIZE - 3 * is_reset,
                num_latent_frames=SIZE,
                position=position,
                prompt_block=blocks[index] if blocks else 0,
                reset=is_reset,
                seed=seed,
                denoising_steps=(1000, 500),
                is_carried_over=is_over and index not in resets,
            )
        )
        position += SIZE
    return chunks


def spans_of(options: DriverOptions, chunks: Sequence[Chunk]) -> dict[int, ClipSpan] | None:
    if options.variant not in ("clip", "step-window"):
        return None
    frames = CLIP_FRAMES if options.variant == "clip" else SIZE * len(chunks)
    return {chunk.index: ClipSpan(0, frames) for chunk in chunks if chunk.reset}


def open_stream(options: DriverOptions, chunks: Sequence[Chunk], **parts: Any) -> Stream:
    return Stream(
        replace(models(), **parts),
        height=HEIGHT,
        width=WIDTH,
        driver=options,
        prompts=PROMPTS,
        conditioning=Conditioning(embed),
        noise_controller=FixedNoiseScale(),
        clock=StageClock(),
        clips=spans_of(options, chunks),
    )


def frames_of(stream: Stream, chunks: Sequence[Chunk]) -> list[Tensor]:
    return list(stream.render((chunk, ChunkInputs()) for chunk in chunks))


def render(options: DriverOptions, chunks: Sequence[Chunk], **parts: Any) -> Tensor:
    return torch.cat(frames_of(open_stream(options, chunks, **parts), chunks))

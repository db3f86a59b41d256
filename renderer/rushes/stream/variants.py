"""The ways to remember the past and to take the steps, by name; a plan chooses one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.queue_cache import QueueKVCache
from rushes.models.caches.ring_cache import RingKVCache
from rushes.models.caches.slots import SlotSizes
from rushes.models.dit import CausalDit, PromptKeys
from rushes.models.rope import RotaryEmbedding
from rushes.presets.kinds import Variant
from rushes.stream.denoise import Denoiser
from rushes.stream.drivers import CleanPass, OneByOne
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stage_clock import StageClock
from rushes.stream.step_batch import StepBatch


@dataclass(frozen=True)
class DriverOptions:
    """Which cache and which order of steps; the defaults are scope's.

    ``rows`` are those of a stream batch: the largest number of denoising steps of any chunk.
    Units: latent frames for window, sinks and ``chunk_frames``.
    """

    window: int
    sinks: int
    variant: Variant = "rolling"
    stream_batch: bool = False
    sink_refresh: float | None = None
    chunk_frames: int = 1
    rows: int = 1


def open_driver(
    dit: CausalDit,
    schedule: FlowSchedule,
    rotary: RotaryEmbedding,
    frame_tokens: int,
    options: DriverOptions,
    clock: StageClock,
    device: torch.device,
    dtype: torch.dtype,
) -> CleanPass | OneByOne | StepBatch:
    """Make the driver of a stream, and its cache."""
    config = dit.config
    if options.variant == "rolling":
        rolling = RollingKVCache(
            num_blocks=config.num_layers,
            num_heads=config.num_heads,
            head_dim=config.head_dim,
            frame_tokens=frame_tokens,
            window=options.window,
            sinks=options.sinks,
            dtype=dtype,
            device=device,
        )
        return CleanPass(Denoiser(dit, schedule, rolling), rolling, rotary, clock)
    sizes = SlotSizes(
        num_blocks=config.num_layers,
        num_heads=config.num_heads,
        head_dim=config.head_dim,
        frame_tokens=frame_tokens,
        window=options.window,
        rows=options.rows,
        dtype=dtype,
        device=device,
    )
    cache_type = RingKVCache if options.variant == "ring" else QueueKVCache
    kv_cache = cache_type(sizes, sinks=options.sinks, refresh_below=options.sink_refresh)
    denoiser = Denoiser(dit, schedule, kv_cache)
    if not options.stream_batch:
        return OneByOne(denoiser, kv_cache, rotary, clock)

    def prompt_keys(embedding: Tensor) -> PromptKeys:
        return dit.prompt_keys(dit.embed_prompt(embedding))

    return StepBatch(
        denoiser,
        kv_cache,
        rotary,
        clock,
        prompt_keys=prompt_keys,
        chunk_frames=options.chunk_frames,
    )

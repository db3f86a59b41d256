"""The ways to remember the past and to take the steps, by name; a plan chooses one."""

from __future__ import annotations

from collections.abc import Callable
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

Driver = CleanPass | OneByOne | StepBatch


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


@dataclass(frozen=True)
class _Parts:
    """What every driver is made of, whichever its cache."""

    dit: CausalDit
    schedule: FlowSchedule
    rotary: RotaryEmbedding
    frame_tokens: int
    options: DriverOptions
    clock: StageClock
    device: torch.device
    dtype: torch.dtype


def _rolling(parts: _Parts) -> Driver:
    config = parts.dit.config
    rolling = RollingKVCache(
        num_blocks=config.num_layers,
        num_heads=config.num_heads,
        head_dim=config.head_dim,
        frame_tokens=parts.frame_tokens,
        window=parts.options.window,
        sinks=parts.options.sinks,
        dtype=parts.dtype,
        device=parts.device,
    )
    denoiser = Denoiser(parts.dit, parts.schedule, rolling)
    return CleanPass(denoiser, rolling, parts.rotary, parts.clock)


def _ring(parts: _Parts) -> Driver:
    return _with_slots(parts, RingKVCache)


def _ring_exact(parts: _Parts) -> Driver:
    return _with_slots(parts, QueueKVCache)


FACTORIES: dict[Variant, Callable[[_Parts], Driver]] = {
    "rolling": _rolling,
    "ring": _ring,
    "ring-exact": _ring_exact,
}


def open_driver(
    dit: CausalDit,
    schedule: FlowSchedule,
    rotary: RotaryEmbedding,
    frame_tokens: int,
    options: DriverOptions,
    clock: StageClock,
    device: torch.device,
    dtype: torch.dtype,
) -> Driver:
    """Make the driver of a stream, and its cache."""
    parts = _Parts(dit, schedule, rotary, frame_tokens, options, clock, device, dtype)
    return FACTORIES[options.variant](parts)


def _with_slots(parts: _Parts, cache_type: type[RingKVCache] | type[QueueKVCache]) -> Driver:
    dit, options = parts.dit, parts.options
    sizes = SlotSizes(
        num_blocks=dit.config.num_layers,
        num_heads=dit.config.num_heads,
        head_dim=dit.config.head_dim,
        frame_tokens=parts.frame_tokens,
        window=options.window,
        rows=options.rows,
        dtype=parts.dtype,
        device=parts.device,
    )
    kv_cache = cache_type(sizes, sinks=options.sinks, refresh_below=options.sink_refresh)
    denoiser = Denoiser(dit, parts.schedule, kv_cache)
    if not options.stream_batch:
        return OneByOne(denoiser, kv_cache, parts.rotary, parts.clock)

    def prompt_keys(embedding: Tensor) -> PromptKeys:
        return dit.prompt_keys(dit.embed_prompt(embedding))

    return StepBatch(
        denoiser,
        kv_cache,
        parts.rotary,
        parts.clock,
        prompt_keys=prompt_keys,
        chunk_frames=options.chunk_frames,
    )

"""The ways to remember the past and to take the steps, by name; a plan chooses one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from rushes.drivers.clean_pass import CleanPass
from rushes.drivers.clips import Clips
from rushes.drivers.one_by_one import OneByOne
from rushes.drivers.rebuilding import Rebuilding
from rushes.drivers.recaching import RecachedCache, Recaching
from rushes.drivers.step_batch import StepBatch
from rushes.drivers.step_window import StepWindow
from rushes.drivers.tail import Tail
from rushes.models.caches.ema_sink import KEPT, EmaSinkCache
from rushes.models.caches.frame_bank import FrameBankCache
from rushes.models.caches.kv_cache import KVCache, RollingKVCache
from rushes.models.caches.queue_cache import QueueKVCache
from rushes.models.caches.rebuilt_cache import RebuiltCache
from rushes.models.caches.ring_cache import RingKVCache
from rushes.models.caches.sink_window import SinkWindowCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.step_window import StepWindowCache
from rushes.models.dit import CausalDit
from rushes.models.graphs.network import GraphedNetwork
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import KeyRotation
from rushes.presets.kinds import Variant
from rushes.stream.denoise import Denoiser, Network
from rushes.stream.driver import Driver, DriverParts


@dataclass(frozen=True)
class DriverOptions:
    """Which cache and which order of steps; the defaults are scope's.

    ``rows`` are those of a stream batch: the largest number of denoising steps of any chunk.
    The others belong to one variant each: ``pairs_chunks`` (which takes more memory, and less time)
    to rolling, ``keeps_sinks`` to recache and bank, ``bank_frames`` and ``record_every`` (chunks)
    to bank, ``sink_kept`` to ema-sink, ``context_frames`` to rebuilt and (as the overlap of clips)
    to clip, ``context_bias`` to rebuilt, ``attended`` to step-window.
    Units: latent frames for window, sinks, ``chunk_frames`` and all other ``frames``.
    """

    window: int
    sinks: int
    variant: Variant = "rolling"
    stream_batch: bool = False
    sink_refresh: float | None = None
    chunk_frames: int = 1
    rows: int = 1
    pairs_chunks: bool = True
    keeps_sinks: bool = True
    bank_frames: int = 3
    record_every: int | None = 3
    sink_kept: float = KEPT
    context_frames: int = 3
    context_bias: float = 1.0
    attended: int = 21

    def open(self, parts: DriverParts) -> Driver:
        """Make the driver of a stream, and its cache."""
        return FACTORIES[self.variant](parts, self)


Factory = Callable[[DriverParts, DriverOptions], Driver]


def _rolling(parts: DriverParts, options: DriverOptions) -> Driver:
    # What stands in for a network may join the passes of several streams, and not those of pairs.
    pairs_rows = getattr(parts.dit, "pairs_rows", isinstance(parts.dit, CausalDit))
    can_pair = options.pairs_chunks and pairs_rows
    spare = options.chunk_frames if can_pair else 0
    rolling = RollingKVCache(_sizes(parts, options), sinks=options.sinks, spare=spare)
    denoiser = _denoiser(parts, rolling)
    return CleanPass(denoiser, rolling, parts.rotary, parts.clock, _prompt_keys(parts))


def _ring(parts: DriverParts, options: DriverOptions) -> Driver:
    return _with_slots(parts, options, RingKVCache)


def _ring_exact(parts: DriverParts, options: DriverOptions) -> Driver:
    return _with_slots(parts, options, QueueKVCache)


def _recache(parts: DriverParts, options: DriverOptions) -> Driver:
    sizes = _sizes(parts, options)
    cache = SinkWindowCache(sizes, sinks=options.sinks, keeps_sinks=options.keeps_sinks)
    return _recaching(parts, options, cache)


def _bank(parts: DriverParts, options: DriverOptions) -> Driver:
    cache = FrameBankCache(
        _sizes(parts, options),
        sinks=options.sinks,
        bank_frames=options.bank_frames,
        record_every=options.record_every,
        keeps_sinks=options.keeps_sinks,
    )
    return _recaching(parts, options, cache)


def _ema_sink(parts: DriverParts, options: DriverOptions) -> Driver:
    cache = EmaSinkCache(
        _sizes(parts, options),
        sinks=options.sinks,
        rotate_keys=KeyRotation(parts.rotary, parts.token_grid),
        kept=options.sink_kept,
    )
    return CleanPass(_denoiser(parts, cache), cache, parts.rotary, parts.clock)


def _rebuilt(parts: DriverParts, options: DriverOptions) -> Driver:
    cache = RebuiltCache(
        _sizes(parts, options), chunk_frames=options.chunk_frames, bias=options.context_bias
    )
    return Rebuilding(
        _denoiser(parts, cache),
        cache,
        parts.rotary,
        parts.clock,
        context_frames=options.context_frames,
        tail=Tail(options.context_frames, parts.encode_alone),
    )


def _clip(parts: DriverParts, options: DriverOptions) -> Driver:
    cache = _rolling_cache(parts, options)
    return Clips(
        _denoiser(parts, cache),
        cache,
        parts.rotary,
        parts.clock,
        chunk_frames=options.chunk_frames,
        tail=Tail(options.context_frames, parts.encode_alone),
    )


def _step_window(parts: DriverParts, options: DriverOptions) -> Driver:
    cache = StepWindowCache(
        _sizes(parts, options),
        sinks=options.sinks,
        chunk_frames=options.chunk_frames,
        attended=options.attended,
        rotate_keys=KeyRotation(parts.rotary, parts.token_grid),
    )
    return StepWindow(
        _denoiser(parts, cache),
        cache,
        parts.rotary,
        parts.clock,
        prompt_keys=_prompt_keys(parts),
        draw_frames=parts.draw_frames,
    )


FACTORIES: dict[Variant, Factory] = {
    "rolling": _rolling,
    "ring": _ring,
    "ring-exact": _ring_exact,
    "recache": _recache,
    "bank": _bank,
    "ema-sink": _ema_sink,
    "rebuilt": _rebuilt,
    "clip": _clip,
    "step-window": _step_window,
}


def _denoiser(parts: DriverParts, kv_cache: KVCache) -> Denoiser:
    network: Network = parts.dit
    if parts.runners is not None:
        network = GraphedNetwork(parts.dit, parts.runners)
    return Denoiser(network, parts.schedule, kv_cache, parts.steps)


def _sizes(parts: DriverParts, options: DriverOptions) -> SlotSizes:
    config = parts.dit.config
    return SlotSizes(
        num_blocks=config.num_layers,
        num_heads=config.num_heads,
        head_dim=config.head_dim,
        frame_tokens=parts.frame_tokens,
        window=options.window,
        rows=options.rows,
        dtype=parts.dtype,
        device=parts.device,
    )


def _rolling_cache(parts: DriverParts, options: DriverOptions) -> RollingKVCache:
    return RollingKVCache(_sizes(parts, options), sinks=options.sinks)


def _recaching(parts: DriverParts, options: DriverOptions, cache: RecachedCache) -> Driver:
    denoiser = _denoiser(parts, cache)
    return Recaching(denoiser, cache, parts.rotary, parts.clock, options.window)


def _with_slots(
    parts: DriverParts,
    options: DriverOptions,
    cache_type: type[RingKVCache] | type[QueueKVCache],
) -> Driver:
    kv_cache = cache_type(
        _sizes(parts, options), sinks=options.sinks, refresh_below=options.sink_refresh
    )
    denoiser = _denoiser(parts, kv_cache)
    if not options.stream_batch:
        return OneByOne(denoiser, kv_cache, parts.rotary, parts.clock)
    return StepBatch(
        denoiser,
        kv_cache,
        parts.rotary,
        parts.clock,
        prompt_keys=_prompt_keys(parts),
        chunk_frames=options.chunk_frames,
        noise_device=parts.noise_device,
    )


def _prompt_keys(parts: DriverParts) -> Callable[[Tensor], PromptKeys]:
    dit = parts.dit
    return lambda embedding: dit.prompt_keys(dit.embed_prompt(embedding))

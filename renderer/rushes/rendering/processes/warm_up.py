"""What a rank takes for its part of a chunk, measured before the first one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from rushes.memory.memory_plan import estimate_plan
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.dit import CausalDit
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding
from rushes.models.vace import LATENT_CHANNELS
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.processes.balance import RankTimes
from rushes.rendering.processes.ranks import Ranks
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.weights.device import device_memory

_TIMES = 3  # that each part is measured; the middle one counts
_TIMESTEP = 500.0  # any one
_SAFE_SHARE = 0.9  # of the free memory, for more blocks


class _FullWindow:
    """Stands for the cache of a window that is full: every block attends to as many keys."""

    rotates_keys = False

    def __init__(self, keys: Tensor) -> None:
        self._keys = keys

    def write(self, block: int, k: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._keys, self._keys


@torch.inference_mode()
def measure_rank(pipeline: Pipeline, plan: RenderPlan, ranks: Ranks) -> RankTimes:
    """Measure a rank's blocks, and what it encodes or decodes, on values that mean nothing."""
    dit = pipeline.models.dit
    blocks = _seconds(_pass_of(pipeline, plan), pipeline.models.device)
    more = 0.0
    if ranks.is_first and plan.takes_input:
        more += _seconds(_encoding(pipeline, plan), pipeline.models.device)
    if ranks.is_last:
        more += _seconds(_decoding(pipeline, plan), pipeline.models.device)
    a_block = passes_of(plan) * blocks / len(dit.blocks)
    return RankTimes(a_block, more, _most_blocks(pipeline, plan))


def passes_of(plan: RenderPlan) -> int:
    """Return how many passes of the network a chunk takes, the clean one included."""
    return max(len(chunk.denoising_steps) for chunk in plan.chunks) + 1


def _pass_of(pipeline: Pipeline, plan: RenderPlan) -> Callable[[], object]:
    """Return a pass through the blocks of this rank."""
    dit: CausalDit = pipeline.models.dit
    config, device, dtype = dit.config, pipeline.models.device, pipeline.models.dtype
    height, width = plan.height // 16, plan.width // 16
    frames = plan.chunks[-1].num_latent_frames
    heads = (config.num_heads, config.head_dim)
    x = torch.zeros(1, frames * height * width, config.dim, device=device, dtype=dtype)
    window = torch.zeros(
        *(1, pipeline.preset.chunk.window * height * width, *heads), device=device, dtype=dtype
    )
    text = torch.zeros(1, config.text_len, *heads, device=device, dtype=dtype)
    prompt = PromptKeys(((text, text),) * config.num_layers)
    modulation = dit.modulation(torch.full((1, 1), _TIMESTEP, device=device), dtype)
    rotary = RotaryEmbedding(config.head_dim, device).factors([0], frames, height, width)
    cache = _FullWindow(window)
    every = range(config.num_layers)
    return lambda: dit.apply_blocks(every, x, modulation, rotary, cache, prompt)


def _encoding(pipeline: Pipeline, plan: RenderPlan) -> Callable[[], object]:
    """Return what encodes the next frames of a stream."""
    models, cache = pipeline.models, FeatureCache()
    count = 4 * plan.chunks[-1].num_latent_frames
    shape = (1, count, 3, plan.height, plan.width)
    pixels = torch.zeros(shape, device=models.device, dtype=models.dtype)
    models.vae.encode(pixels[:, :1], cache, models.normalise_encoded)
    return lambda: models.vae.encode(pixels, cache, models.normalise_encoded)


def _decoding(pipeline: Pipeline, plan: RenderPlan) -> Callable[[], object]:
    """Return what decodes the next latent frames of a stream."""
    models, cache = pipeline.models, FeatureCache()
    frames = plan.chunks[-1].num_latent_frames
    shape = (1, frames, LATENT_CHANNELS, plan.height // 8, plan.width // 8)
    latents = torch.zeros(shape, device=models.device, dtype=models.dtype)
    models.vae.decode(latents, cache)
    return lambda: models.vae.decode(latents, cache)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return how long something takes, once it is warm."""
    run()
    found = []
    for _ in range(_TIMES):
        _wait_for(device)
        begin = time.perf_counter()
        run()
        _wait_for(device)
        found.append(time.perf_counter() - begin)
    return statistics.median(found)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _most_blocks(pipeline: Pipeline, plan: RenderPlan) -> int:
    """Return how many blocks this rank has memory for; all where nobody knows the memory."""
    own, every = len(pipeline.models.dit.blocks), pipeline.preset.dit.num_layers
    memory = device_memory(pipeline.models.device)
    if memory is None:
        return every
    value_bytes = pipeline.models.dtype.itemsize
    whole = estimate_plan(pipeline.preset, plan, value_bytes=value_bytes)
    a_block = (whole.dit + whole.kv_cache + whole.prompt_keys) / every
    beside = whole.vae_caches + whole.workspace
    caches = own * (whole.kv_cache + whole.prompt_keys) / every
    room = _SAFE_SHARE * memory.free - beside - caches
    return min(every, own + max(0, int(room / a_block)))

"""The least time that the stages of a chunk can take on a GPU: its arithmetic or its memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.dit import CausalDit
from rushes.models.rope import RotaryEmbedding
from rushes.presets.kinds import VaeType
from rushes.presets.preset import Preset
from rushes.weights.autoencoders import empty_autoencoder
from rushes.weights.networks import dit_config

_CHANNELS = 16  # of latents


@dataclass(frozen=True)
class Gpu:
    """What the maker's data sheet says: dense bfloat16 operations and bytes a second."""

    flops: float
    bytes_per_second: float


GPUS = {
    "b200": Gpu(2250e12, 8.0e12),
    "h200": Gpu(989e12, 4.8e12),
    "h100": Gpu(989e12, 3.35e12),
    "a100": Gpu(312e12, 2.04e12),
    "l40s": Gpu(362e12, 0.864e12),
    "rtx5090": Gpu(209e12, 1.79e12),
    "rtx4090": Gpu(165e12, 1.01e12),
}


def known_gpu(name: str) -> Gpu | None:
    """Return the figures of a GPU by the name that its driver gives it, if they are known."""
    plain = name.lower().replace(" ", "")
    return next((gpu for key, gpu in GPUS.items() if key in plain), None)


@torch.inference_mode()
def floor(
    preset: Preset,
    size: str,
    num_steps: int,
    gpu: Gpu,
    vae_type: VaeType = "wan",
    num_blocks: int | None = None,
) -> dict[str, float]:
    """Return the least milliseconds of the stages on a GPU: its arithmetic or its memory.

    Operations are counted on tensors without values; every pass reads all weights once.
    """
    width, height = map(int, size.split("x"))
    vae = empty_autoencoder(preset, vae_type)
    num_frames = preset.chunk.latent_frames
    latents = torch.empty(1, num_frames, _CHANNELS, height // 8, width // 8, device="meta")
    pixels = torch.empty(1, 4 * num_frames, 3, height, width, device="meta")
    encoder_cache, decoder_cache = FeatureCache(), FeatureCache()
    vae.to("meta").encode(pixels[:, :1], encoder_cache, normalise=False)
    vae.decode(latents[:, :1], decoder_cache)
    dit_pass = _pass_ms(preset, latents, gpu, num_blocks)
    return {
        "encode": least_ms(
            gpu, vae.encoder, lambda: vae.encode(pixels, encoder_cache, normalise=False)
        ),
        "denoise": dit_pass * num_steps,
        "clean pass": dit_pass,
        "decode": least_ms(gpu, vae.decoder, lambda: vae.decode(latents, decoder_cache)),
    }


def _pass_ms(preset: Preset, latents: Tensor, gpu: Gpu, num_blocks: int | None) -> float:
    """Return the least milliseconds of a pass of the network over a chunk with a full window."""
    config = dit_config(preset)
    config = replace(config, num_layers=num_blocks or config.num_layers)
    num_frames, grid = latents.shape[1], (latents.shape[3] // 2, latents.shape[4] // 2)
    with torch.device("meta"):
        dit = CausalDit(config)
    sizes = SlotSizes(
        num_blocks=config.num_layers,
        num_heads=config.num_heads,
        head_dim=config.head_dim,
        frame_tokens=grid[0] * grid[1],
        window=preset.chunk.window,
        device="meta",
    )
    cache = RollingKVCache(sizes, sinks=preset.chunk.sinks)
    for start in range(0, preset.chunk.window + num_frames, num_frames):
        cache.begin_chunk(start, num_frames)
    prompt = dit.prompt_keys(torch.empty(1, config.text_len, config.dim, device="meta"))
    rotary = RotaryEmbedding(config.head_dim, "meta").factors([0], num_frames, *grid)
    timesteps = torch.empty(1, num_frames, device="meta")
    return least_ms(gpu, dit, lambda: dit(latents, timesteps, rotary, cache, prompt))


def least_ms(gpu: Gpu, module: nn.Module, run: Callable[[], Tensor]) -> float:
    counter = FlopCounterMode(display=False)
    with counter:
        run()
    weights: int = sum(parameter.numel() * 2 for parameter in module.parameters())
    return max(counter.get_total_flops() / gpu.flops, weights / gpu.bytes_per_second) * 1000

"""Tiny seeded networks, noise and chunks, for the tests of models and stream."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.checkpoint import load_strictly
from rushes.models.dit import CausalDit, DitConfig
from rushes.models.prompt_keys import PromptKeys
from rushes.models.stream_vae import StreamVAE, VaeConfig
from rushes.weights.random_weights import random_dit, random_vae

CPU = torch.device("cpu")
DIT = DitConfig(dim=24, ffn_dim=32, num_heads=2, num_layers=2, text_dim=10, text_len=6, freq_dim=8)
VAE = VaeConfig(dim=4, num_res_blocks=1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed))


def tiny_dit(config: DitConfig = DIT, seed: int = 0) -> CausalDit:
    with torch.device("meta"):
        dit = CausalDit(config)
    load_strictly(dit, random_dit(config, seeded(seed)), "random weights")
    return dit.eval()


def tiny_vae(config: VaeConfig = VAE, seed: int = 0) -> StreamVAE:
    with torch.device("meta"):
        vae = StreamVAE(config)
    load_strictly(vae, random_vae(config, seeded(seed)), "random weights")
    return vae.eval()


@cache
def shared_vae() -> StreamVAE:
    """The one tiny autoencoder that read-only tests share; it keeps no state of a stream."""
    return tiny_vae()


def empty_cache(
    config: DitConfig = DIT,
    *,
    frame_tokens: int,
    window: int = 6,
    sinks: int = 3,
    dtype: torch.dtype = torch.float32,
) -> RollingKVCache:
    return RollingKVCache(
        SlotSizes(
            num_blocks=config.num_layers,
            num_heads=config.num_heads,
            head_dim=config.head_dim,
            frame_tokens=frame_tokens,
            window=window,
            dtype=dtype,
        ),
        sinks=sinks,
    )


def prompt_keys(dit: CausalDit, prompt_embedding: Tensor) -> PromptKeys:
    return dit.prompt_keys(dit.embed_prompt(prompt_embedding))


def random_prompt(dit: CausalDit, seed: int = 0, tokens: int | None = None) -> PromptKeys:
    return prompt_keys(
        dit, normal(1, tokens or dit.config.text_len, dit.config.text_dim, seed=seed)
    )

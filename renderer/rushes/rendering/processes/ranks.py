"""One network and its autoencoder cut up among ranks, which all run the same stream.

Every rank takes the same decisions from the same plan; only the large work is shared. A pass goes
through the blocks of one rank after another, and its result to all of them. The first rank
encodes, the last one decodes.

Source: sdv2: streamv2v/inference_pipe.py (which rank does what)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from rushes.models.autoencoder import Autoencoder
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.kv_cache import KVCache
from rushes.models.dit import CausalDit, Control
from rushes.models.layers.modulation import StepModulation
from rushes.models.layers.patches import PATCH
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryFactors
from rushes.models.vace import LATENT_CHANNELS


@dataclass(frozen=True)
class Ranks:
    """This process among those that share a network; the process group is there already."""

    rank: int
    count: int

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def is_last(self) -> bool:
        return self.rank == self.count - 1


class RankNetwork:
    """Stands in for the network in the stream of a rank, which has some of its blocks."""

    def __init__(self, dit: CausalDit, ranks: Ranks) -> None:
        self._dit, self._ranks = dit, ranks

    def __call__(
        self,
        latents: Tensor,
        timesteps: Tensor | StepModulation,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        control: Control | None = None,
        num_clean: int = 0,
    ) -> Tensor:
        """Run this rank's share of a pass; what all of them made is returned in every rank."""
        assert control is None, "ranks do not share a branch that steers"
        dit, ranks = self._dit, self._ranks
        height, width = latents.shape[-2] // PATCH, latents.shape[-1] // PATCH
        x = self._tokens(latents, height * width)
        if isinstance(timesteps, Tensor):
            timesteps = dit.modulation(timesteps, x.dtype)
        blocks, ending = range(len(dit.blocks)), num_clean if ranks.is_last else 0
        x = dit.apply_blocks(blocks, x, timesteps, rotary, kv_cache, prompt, num_clean=ending)
        if not ranks.is_last:
            distributed.send(x.contiguous(), ranks.rank + 1)
        flow = latents[num_clean:]
        if len(flow):
            flow = torch.empty_like(flow, memory_format=torch.contiguous_format)
            if ranks.is_last:
                flow.copy_(dit.apply_head(x, timesteps, height, width, num_clean))
            distributed.broadcast(flow, ranks.count - 1)
        return flow

    def _tokens(self, latents: Tensor, frame_tokens: int) -> Tensor:
        """Return what this rank's blocks work on: from the latents, or from the rank before."""
        if self._ranks.is_first:
            return self._dit.embed_patches(latents)
        rows, num_frames = latents.shape[:2]
        x = latents.new_empty(rows, num_frames * frame_tokens, self._dit.config.dim)
        distributed.recv(x, self._ranks.rank - 1)
        return x

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dit, name)


class RankAutoencoder:
    """Encodes in the first rank, for all, and decodes in the last one, for nobody else."""

    def __init__(self, vae: Autoencoder, ranks: Ranks) -> None:
        self._vae, self._ranks = vae, ranks

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        """Encode the next frames of a stream, as ``Autoencoder.encode``, in the first rank."""
        if self._ranks.is_first:
            latents = self._vae.encode(pixels, cache, normalise).contiguous()
        else:
            rows, num_frames, _, height, width = pixels.shape
            shape = (rows, (num_frames + 3) // 4, LATENT_CHANNELS, height // 8, width // 8)
            latents = pixels.new_empty(shape)
        distributed.broadcast(latents, 0)
        return latents

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode latent frames as ``Autoencoder.decode``; in all ranks but the last to black."""
        if self._ranks.is_last:
            return self._vae.decode(latents, cache)
        rows, num_frames, _, height, width = latents.shape
        count = 4 * num_frames - 3 * cache.is_first_call
        cache.end_call()
        return latents.new_full((rows, count, 3, 8 * height, 8 * width), -1.0)

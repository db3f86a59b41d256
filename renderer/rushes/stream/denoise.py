"""Few-step denoising of one chunk, and the pass that leaves its clean keys in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import KVCache
from rushes.models.dit import Control, PromptKeys
from rushes.models.rope import RotaryFactors
from rushes.stream.schedule import FlowSchedule, add_noise, flow_to_clean

CLEAN_TIMESTEP = 0


class Network(Protocol):
    """Predicts the flow of a chunk: ``CausalDit``, or what stands in its place."""

    def __call__(
        self,
        latents: Tensor,
        timesteps: Tensor,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        control: Control | None = None,
    ) -> Tensor: ...


class Denoiser:
    """Runs the network over a chunk; every pass overwrites the chunk's slots in the cache.

    Source: scope: src/scope/core/pipelines/wan2_1/blocks/{denoise,clean_kv_cache}.py
    """

    def __init__(self, dit: Network, schedule: FlowSchedule, kv_cache: KVCache) -> None:
        self._dit = dit
        self._schedule = schedule
        self._kv_cache = kv_cache

    def denoise(
        self,
        latents: Tensor,
        timesteps: Sequence[float],
        draw_noise: Callable[[], Tensor],
        rotary: RotaryFactors,
        prompt: PromptKeys,
        control: Control | None = None,
    ) -> Tensor:
        """Return clean latents; between two steps the prediction is made noisy again.

        Shapes:
            latents: [B, T, C, H, W]
            draw_noise: returns the same shape, once for each step but the first
            returns: [B, T, C, H, W]
        """
        clean = self.predict_clean(latents, timesteps[:1], rotary, prompt, control)
        for timestep in timesteps[1:]:
            noisy = self.renoise(clean, timestep, draw_noise())
            clean = self.predict_clean(noisy, [timestep], rotary, prompt, control)
        return clean

    def write_clean_keys(self, clean: Tensor, rotary: RotaryFactors, prompt: PromptKeys) -> None:
        """Pass over the clean chunk once more, without control, for what it leaves in the cache."""
        self.predict_clean(clean, [CLEAN_TIMESTEP], rotary, prompt)

    def predict_clean(
        self,
        noisy: Tensor,
        timesteps: Sequence[float],
        rotary: RotaryFactors,
        prompt: PromptKeys,
        control: Control | None = None,
    ) -> Tensor:
        """Return clean latents after a single pass; each row has a timestep, or all have one.

        Shapes:
            noisy, returns: [B, T, C, H, W]
        """
        by_row = torch.tensor(timesteps, dtype=torch.float32).unsqueeze(1)  # [B, 1]
        return self.predict_by_frame(noisy, by_row.expand(noisy.shape[:2]), rotary, prompt, control)

    def predict_by_frame(
        self,
        noisy: Tensor,
        by_frame: Tensor,
        rotary: RotaryFactors,
        prompt: PromptKeys,
        control: Control | None = None,
    ) -> Tensor:
        """Return clean latents after a single pass; each frame has a timestep.

        Shapes:
            noisy, returns: [B, T, C, H, W]
            by_frame: [B, T], on the CPU
        """
        flow = self._dit(noisy, by_frame.to(noisy.device), rotary, self._kv_cache, prompt, control)
        return flow_to_clean(noisy, flow, self._schedule.sigma(by_frame))

    def renoise(self, clean: Tensor, timestep: float, noise: Tensor) -> Tensor:
        """Make clean latents noisy again for the step at ``timestep``; shapes agree."""
        sigma = self._schedule.sigma(torch.full(clean.shape[:2], float(timestep)))
        return add_noise(clean, noise, sigma)

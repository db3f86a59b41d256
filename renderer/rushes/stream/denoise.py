"""Few-step denoising of one chunk, and the pass that leaves its clean keys in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rushes.models.dit import CausalDit, Control, PromptKeys
from rushes.models.kv_cache import KVCache
from rushes.models.rope import RotaryFactors
from rushes.stream.schedule import FlowSchedule, add_noise, flow_to_clean

CLEAN_TIMESTEP = 0


class Denoiser:
    """Runs the network over a chunk; every pass overwrites the chunk's slots in the cache.

    Source: scope: src/scope/core/pipelines/wan2_1/blocks/{denoise,clean_kv_cache}.py
    """

    def __init__(self, dit: CausalDit, schedule: FlowSchedule, kv_cache: KVCache) -> None:
        self._dit = dit
        self._schedule = schedule
        self._kv_cache = kv_cache

    def denoise(
        self,
        latents: Tensor,
        timesteps: Sequence[int],
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
        clean = self._predict_clean(latents, timesteps[0], rotary, prompt, control)
        for timestep in timesteps[1:]:
            noisy = add_noise(clean, draw_noise(), self._sigma(timestep, clean))
            clean = self._predict_clean(noisy, timestep, rotary, prompt, control)
        return clean

    def write_clean_keys(self, clean: Tensor, rotary: RotaryFactors, prompt: PromptKeys) -> None:
        """Pass over the clean chunk once more, without control, for what it leaves in the cache."""
        self._predict_clean(clean, CLEAN_TIMESTEP, rotary, prompt, control=None)

    def _predict_clean(
        self,
        noisy: Tensor,
        timestep: int,
        rotary: RotaryFactors,
        prompt: PromptKeys,
        control: Control | None,
    ) -> Tensor:
        timesteps = torch.full(noisy.shape[:2], float(timestep), device=noisy.device)
        flow = self._dit(noisy, timesteps, rotary, self._kv_cache, prompt, control)
        return flow_to_clean(noisy, flow, self._sigma(timestep, noisy))

    def _sigma(self, timestep: int, latents: Tensor) -> Tensor:
        """The noise level of every frame of a chunk, [B, T]."""
        return self._schedule.sigma(torch.full(latents.shape[:2], float(timestep)))

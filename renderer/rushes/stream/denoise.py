"""Few-step denoising of one chunk, and the pass that leaves its clean keys in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import KVCache
from rushes.models.dit import Control
from rushes.models.layers.modulation import StepModulation
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryFactors
from rushes.stream.schedule import FlowSchedule, clean_of
from rushes.stream.step_table import StepTable, Timesteps

CLEAN_TIMESTEP = 0

Part = TypeVar("Part")


class Network(Protocol):
    """Predicts the flow of a chunk: ``CausalDit``, or what stands in its place."""

    def __call__(
        self,
        latents: Tensor,
        timesteps: Tensor | StepModulation,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        control: Control | None = None,
        num_clean: int = 0,
    ) -> Tensor: ...


@dataclass(frozen=True)
class Pair(Generic[Part]):
    """Something for two rows, the chunk before and the new one, and for the new one alone."""

    both: Part
    new: Part


class Denoiser:
    """Runs the network over a chunk; every pass overwrites the chunk's slots in the cache.

    Source: scope: src/scope/core/pipelines/wan2_1/blocks/{denoise,clean_kv_cache}.py
    """

    def __init__(
        self,
        dit: Network,
        schedule: FlowSchedule,
        kv_cache: KVCache,
        steps: StepTable | None = None,
    ) -> None:
        """``steps`` are those of this network, shared with whoever changes its weights."""
        self._dit = dit
        self._kv_cache = kv_cache
        self._steps = steps or StepTable(dit, schedule)

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
        return self._go_on(clean, timesteps[1:], draw_noise, rotary, prompt, control)

    def denoise_behind(
        self,
        before: Tensor,
        latents: Tensor,
        timesteps: Sequence[float],
        draw_noise: Callable[[], Tensor],
        rotary: Pair[RotaryFactors],
        prompt: Pair[PromptKeys],
        end_pair: Callable[[], None],
    ) -> Tensor:
        """Denoise as ``denoise``; the first step also leaves the clean keys of the chunk before.

        ``end_pair`` is called before passes that are over this chunk alone.

        Shapes:
            before, latents, returns: [1, T, C, H, W]
        """
        first = float(timesteps[0])
        step = self._steps.of(((float(CLEAN_TIMESTEP),), (first,)), latents)
        flow = self._dit(
            torch.cat((before, latents)),
            step.modulation,
            rotary.both,
            self._kv_cache,
            prompt.both,
            None,
            1,
        )
        end_pair()
        clean = clean_of(latents, flow, self._steps.sigma(first))
        return self._go_on(clean, timesteps[1:], draw_noise, rotary.new, prompt.new)

    def _go_on(
        self,
        clean: Tensor,
        timesteps: Sequence[float],
        draw_noise: Callable[[], Tensor],
        rotary: RotaryFactors,
        prompt: PromptKeys,
        control: Control | None = None,
    ) -> Tensor:
        """Take the steps after the first."""
        for timestep in timesteps:
            noisy = self.renoise(clean, timestep, draw_noise())
            clean = self.predict_clean(noisy, [timestep], rotary, prompt, control)
        return clean

    def write_clean_keys(self, clean: Tensor, rotary: RotaryFactors, prompt: PromptKeys) -> None:
        """Pass over the clean chunk once more, without control, for what it leaves in the cache.

        The pass ends when the last block has left its keys.
        """
        step = self._steps.of(((float(CLEAN_TIMESTEP),),), clean)
        self._dit(clean, step.modulation, rotary, self._kv_cache, prompt, None, len(clean))

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
        rows = tuple((float(timestep),) for timestep in timesteps)
        return self.predict_by_frame(noisy, rows, rotary, prompt, control)

    def predict_by_frame(
        self,
        noisy: Tensor,
        timesteps: Timesteps,
        rotary: RotaryFactors,
        prompt: PromptKeys,
        control: Control | None = None,
    ) -> Tensor:
        """Return clean latents after a single pass; each frame has a timestep.

        Shapes:
            noisy, returns: [B, T, C, H, W]
        """
        step = self._steps.of(timesteps, noisy)
        flow = self._dit(noisy, step.modulation, rotary, self._kv_cache, prompt, control)
        return clean_of(noisy, flow, step.sigma)

    def renoise(self, clean: Tensor, timestep: float, noise: Tensor) -> Tensor:
        """Make clean latents noisy again for the step at ``timestep``; shapes agree."""
        return torch.lerp(clean, noise, self._steps.sigma(timestep))

"""The flow-matching noise schedule: which sigma a timestep has, and what is done with it.

A noisy latent is ``(1 - sigma) * clean + sigma * noise``; the network predicts ``noise - clean``.

Source: sdv2: models/wan/flow_match.py, models/wan/wan_wrapper.py
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

NUM_TRAIN_TIMESTEPS = 1000


@dataclass(frozen=True)
class FlowSchedule:
    """A shifted table of sigmas; a timestep takes the sigma of its nearest entry.

    The defaults are those of StreamDiffusionV2. Timestep 0 therefore has a sigma slightly above 0
    (0.0079 with shift 8), as in the references.
    """

    shift: float = 8.0
    num_steps: int = 1000
    sigma_min: float = 0.0
    sigma_max: float = 1.0
    extra_one_step: bool = True
    inverse_timesteps: bool = False
    reverse_sigmas: bool = False
    denoising_strength: float = 1.0

    @cached_property
    def sigmas(self) -> Tensor:
        """The table, high noise first unless inverted: [num_steps], float32."""
        start = self.sigma_min + (self.sigma_max - self.sigma_min) * self.denoising_strength
        if self.extra_one_step:
            even = torch.linspace(start, self.sigma_min, self.num_steps + 1)[:-1]
        else:
            even = torch.linspace(start, self.sigma_min, self.num_steps)
        if self.inverse_timesteps:
            even = even.flip(0)
        shifted = self.shift * even / (1 + (self.shift - 1) * even)
        return 1 - shifted if self.reverse_sigmas else shifted

    @cached_property
    def timesteps(self) -> Tensor:
        """The table on the 0 to 1000 scale: [num_steps], float32."""
        return self.sigmas * NUM_TRAIN_TIMESTEPS

    def nearest(self, timesteps: Tensor) -> Tensor:
        """Return the index of the nearest table entry, the first one on ties; shape kept."""
        distance = (self.timesteps - timesteps.cpu().float().unsqueeze(-1)).abs()
        return distance.argmin(-1)

    def sigma(self, timesteps: Tensor) -> Tensor:
        """Return the sigma of every timestep, float32 on the CPU; shape kept."""
        return self.sigmas[self.nearest(timesteps)]

    def warp(self, timesteps: Tensor) -> Tensor:
        """Map raw steps through the table, 1000 being its first entry and 0 staying 0.

        Source: sdv2: models/wan/causal_stream_inference.py (warp_denoising_step)
        """
        table = torch.cat((self.timesteps, torch.zeros(1)))
        return table[NUM_TRAIN_TIMESTEPS - timesteps.cpu()]


def add_noise(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Mix clean latents with noise, in float32, returned in the dtype of the noise.

    Shapes:
        clean, noise: [B, ...]
        sigma: the leading axes of ``noise``, float32
    """
    weight = _broadcast(sigma, noise)
    return ((1 - weight) * clean + weight * noise).to(noise.dtype)


def cover(encoded: Tensor, noise: Tensor, noise_scale: float) -> Tensor:
    """Cover encoded input with noise, as the start of its denoising; shapes agree."""
    return torch.lerp(encoded, noise, noise_scale)


def flow_to_clean(noisy: Tensor, flow: Tensor, sigma: Tensor) -> Tensor:
    """Return the clean latents that a predicted flow implies (x0), in the dtype of the flow.

    Shapes: as in ``add_noise``
    """
    return (noisy.float() - _broadcast(sigma, flow) * flow.float()).to(flow.dtype)


def clean_of(noisy: Tensor, flow: Tensor, sigma: float | Tensor) -> Tensor:
    """Return what ``flow_to_clean`` does, in one operation where all frames have one sigma."""
    if isinstance(sigma, Tensor):
        return flow_to_clean(noisy, flow, sigma)
    return torch.sub(noisy, flow, alpha=sigma).to(flow.dtype)


def _broadcast(sigma: Tensor, like: Tensor) -> Tensor:
    return sigma.to(like.device).reshape(*sigma.shape, *([1] * (like.dim() - sigma.dim())))

"""Rules of the references' schedule that no render needs; the recorded tables have them.

Source: sdv2: models/wan/flow_match.py
"""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.stream.schedule import FlowSchedule


def training_weights(schedule: FlowSchedule) -> Tensor:
    """Return how much each entry counts in a training loss, most in the middle: [num_steps]."""
    bell = torch.exp(-2 * ((schedule.timesteps - schedule.num_steps / 2) / schedule.num_steps) ** 2)
    above = bell - bell.min()
    return above * (schedule.num_steps / above.sum())


def euler_step(
    schedule: FlowSchedule,
    flow: Tensor,
    timesteps: Tensor,
    noisy: Tensor,
    to_final: bool = False,
) -> Tensor:
    """Move to the next table entry; if any sample is at the last one, all go to the end.

    Shapes:
        flow, noisy: [B, ...]
        timesteps: [B]
    """
    index = schedule.nearest(timesteps)
    if to_final or bool((index + 1 >= len(schedule.sigmas)).any()):
        end = 1.0 if schedule.inverse_timesteps or schedule.reverse_sigmas else 0.0
        following = torch.full_like(schedule.sigmas[index], end)
    else:
        following = schedule.sigmas[index + 1]
    return noisy + flow * _broadcast(following - schedule.sigmas[index], flow)


def clean_to_flow(noisy: Tensor, clean: Tensor, sigma: Tensor) -> Tensor:
    """Return the flow between clean and noisy latents; the inverse of ``flow_to_clean``."""
    return ((noisy.float() - clean.float()) / _broadcast(sigma, noisy)).to(noisy.dtype)


def _broadcast(sigma: Tensor, like: Tensor) -> Tensor:
    return sigma.to(like.device).reshape(*sigma.shape, *([1] * (like.dim() - sigma.dim())))

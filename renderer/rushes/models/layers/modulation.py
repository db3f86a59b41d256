"""What a timestep does to the tokens: shifts, scales and gates of every block, and of the head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class StepModulation:
    """The modulation of a whole network at the timesteps of a pass.

    R and T are 1 where all rows, or all frames, have one timestep. 1 has been added to scales.

    Shapes:
        timesteps: [R, T]
        common: [R, T, 6, E], to which each block adds its own
        blocks: [blocks, 6, R, T, 1, E]: shift, scale and gate before attention, then before the
            feed-forward
        head: [2, R, T, 1, E]: shift and scale
    """

    timesteps: Tensor
    common: Tensor
    blocks: Tensor
    head: Tensor


def block_modulation(own: Tensor, common: Tensor) -> Tensor:
    """Add up the modulation of one block, or of several at once.

    Shapes:
        own: [..., 6, E]
        common: [R, T, 6, E]
        returns: [..., 6, R, T, 1, E]
    """
    summed = own[..., :, None, None, :] + common.permute(2, 0, 1, 3)
    scales = torch.zeros(6, 1, 1, 1, dtype=own.dtype, device=own.device)
    scales[1] = scales[4] = 1
    return (summed + scales).unsqueeze(-2)


def head_modulation(own: Tensor, embedding: Tensor) -> Tensor:
    """Add up the modulation of the head.

    Shapes:
        own: [1, 2, E]
        embedding: [R, T, E]
        returns: [2, R, T, 1, E]
    """
    shift, scale = (own[0, :, None, None] + embedding).unbind(0)
    return torch.stack((shift, scale + 1)).unsqueeze(-2)


def modulated(norm: nn.LayerNorm, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Norm the tokens, then scale and shift those of every frame.

    Shapes:
        x, returns: [B, S, E]
        shift, scale: [R, T, 1, E]
    """
    if shift.numel() == x.shape[-1]:  # one timestep for all: the weight and bias of the norm
        return functional.layer_norm(x, x.shape[-1:], scale.flatten(), shift.flatten(), norm.eps)
    return torch.addcmul(shift, _by_frame(norm(x), shift), scale).flatten(1, 2)


def add_gated(x: Tensor, y: Tensor, gate: Tensor) -> Tensor:
    """Add ``y`` times the gate of each frame.

    Shapes:
        x, y, returns: [B, S, E]
        gate: [R, T, 1, E]
    """
    return torch.addcmul(_by_frame(x, gate), _by_frame(y, gate), gate).flatten(1, 2)


def _by_frame(x: Tensor, like: Tensor) -> Tensor:
    return x.unflatten(1, (like.shape[1], -1))  # [B, T, S/T, E]


def sinusoidal_embedding(timesteps: Tensor, dim: int) -> Tensor:
    """Embed timesteps as cosines, then sines, of geometrically spaced frequencies.

    Shapes:
        timesteps: [...]
        returns: [..., dim], float64 (float32 on MPS, which has no float64)
    Source: sdv2: models/wan/wan_base/modules/model.py (sinusoidal_embedding_1d)
    """
    wide = torch.float32 if timesteps.device.type == "mps" else torch.float64
    half = dim // 2
    exponents = torch.arange(half, dtype=wide, device=timesteps.device) / half
    angles = timesteps.to(wide).unsqueeze(-1) * torch.pow(10000.0, -exponents)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)

"""The networks of a preset with random values, which render as fast as real ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar, cast

import torch
from torch import nn

from rushes.models.autoencoder import Autoencoder
from rushes.models.dit import CausalDit
from rushes.models.stream_vae import StreamVAE
from rushes.presets.kinds import VaeType
from rushes.presets.preset import Preset
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stream import Models
from rushes.weights.autoencoders import empty_autoencoder
from rushes.weights.networks import dit_config

M = TypeVar("M", bound=nn.Module)
_STD = 0.02


def random_models(
    preset: Preset,
    device: torch.device,
    dtype: torch.dtype,
    vae_type: VaeType = "wan",
    num_blocks: int | None = None,
) -> Models:
    """Make the networks of a preset on a device; ``num_blocks`` are fewer than it has."""
    config = dit_config(preset)
    with torch.device("meta"):
        dit = CausalDit(replace(config, num_layers=num_blocks or config.num_layers))
    vae = filled(empty_autoencoder(preset, vae_type), device, dtype)
    if isinstance(vae, StreamVAE):
        vae.arrange_weights()
    return Models(
        dit=filled(dit, device, dtype),
        vae=cast("Autoencoder", vae),
        schedule=FlowSchedule(shift=preset.schedule.shift),
        warps_steps=preset.schedule.warps,
        normalise_encoded=preset.vae.normalise_encoded,
        device=device,
        dtype=dtype,
    )


def filled(module: M, device: torch.device, dtype: torch.dtype) -> M:
    """Give a module from the meta device random parameters; its constants stay."""
    constants = {name: buffer.clone() for name, buffer in module.named_buffers()}
    module = module.to(dtype).to_empty(device=device)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=_STD)
    for name, buffer in module.named_buffers():
        buffer.copy_(constants[name])
    return module.requires_grad_(False).eval()

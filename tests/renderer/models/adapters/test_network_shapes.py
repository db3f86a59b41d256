"""The shapes that LoRA files are judged by are those of the networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rushes.models.dit import CausalDit, DitConfig
from rushes.models.vace import VaceBranch
from rushes.presets.preset import load_preset, preset_names
from rushes.weights.lora_check import network_shapes


@pytest.mark.parametrize("name", preset_names())
def test_they_agree_for_every_preset(name: str) -> None:
    preset = load_preset(name)
    dit = preset.dit
    with torch.device("meta"):
        config = DitConfig(
            dit.dim,
            dit.ffn_dim,
            dit.num_heads,
            dit.num_layers,
            text_dim=dit.text_dim,
            text_len=dit.text_len,
            freq_dim=dit.freq_dim,
            vace_stride=dit.vace_stride,
        )
        networks: list[nn.Module] = [CausalDit(config), VaceBranch(config)]
    wanted = {
        name: tuple(parameter.shape)
        for network in networks
        for name, parameter in network.named_parameters()
    }
    assert network_shapes(preset, with_vace=True) == wanted

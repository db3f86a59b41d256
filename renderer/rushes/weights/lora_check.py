"""LoRA files judged before anything is loaded: can they be applied to the network of a preset?"""

from __future__ import annotations

from pathlib import Path

from rushes.models.adapters.header import LoraHeader, read_header
from rushes.models.adapters.keys import Shape
from rushes.models.adapters.network_shapes import dit_shapes, vace_shapes
from rushes.models.adapters.places import place_keys
from rushes.presets.preset import Preset


def check_lora(path: Path, preset: Preset, *, with_vace: bool = False) -> LoraHeader:
    """Judge a LoRA file from its header: it must fit the network of a preset.

    Raises: AdapterError when it is damaged, not a LoRA, or of another network.
    """
    header = read_header(path)
    place_keys(header.shapes, network_shapes(preset, with_vace=with_vace), str(path))
    return header


def network_shapes(preset: Preset, *, with_vace: bool = False) -> dict[str, Shape]:
    """Return the shapes of what LoRAs can change in the networks of a preset."""
    dit = preset.dit
    shapes = dit_shapes(dit.dim, dit.ffn_dim, dit.num_layers, dit.text_dim, dit.freq_dim)
    if not with_vace:
        return shapes
    return shapes | vace_shapes(dit.dim, dit.ffn_dim, dit.num_vace_blocks)

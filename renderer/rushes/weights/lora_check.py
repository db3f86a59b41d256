"""LoRA files judged before anything is loaded: can they be applied to the network of a preset?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rushes.errors import AdapterError
from rushes.models.adapters.header import LoraHeader, read_header
from rushes.models.adapters.keys import Shape
from rushes.models.adapters.network_shapes import dit_shapes, vace_shapes
from rushes.models.adapters.places import place_keys
from rushes.presets.preset import Preset


def check_lora(path: Path, presets: Iterable[Preset], *, with_vace: bool = False) -> LoraHeader:
    """Judge a LoRA file from its header: it must fit the network of one of these presets.

    Raises: AdapterError when it is damaged, not a LoRA, or fits none of them.
    """
    header = read_header(path)
    networks = [network_shapes(preset, with_vace=with_vace) for preset in presets]
    for number, shapes in enumerate(networks, 1):
        try:
            place_keys(header.shapes, shapes, str(path))
            break
        except AdapterError:
            if number == len(networks):
                raise
    return header


def network_shapes(preset: Preset, *, with_vace: bool = False) -> dict[str, Shape]:
    """Return the shapes of what LoRAs can change in the networks of a preset."""
    dit = preset.dit
    sizes = (dit.dim, dit.ffn_dim, dit.num_layers)
    shapes = dit_shapes(*sizes, dit.text_dim, dit.freq_dim)
    return shapes | vace_shapes(*sizes) if with_vace else shapes

"""LoRA files judged before anything is loaded: can they be applied to the network of a preset?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rushes.models.adapters.header import LoraHeader, read_header
from rushes.models.adapters.keys import Shape
from rushes.models.adapters.network_shapes import dit_shapes, vace_shapes
from rushes.models.adapters.places import place_keys, warn_of_unused
from rushes.presets.preset import Preset


def check_lora(
    path: Path, preset: Preset, *, with_vace: bool = False, name: str | None = None
) -> LoraHeader:
    """Judge a LoRA file from its header: it must fit the network of a preset.

    ``name`` is what the plan calls it, for warnings about keys that change nothing.

    Raises: AdapterError when it is damaged, not a LoRA, or of another network.
    """
    header = read_header(path)
    shapes = network_shapes(preset, with_vace=with_vace)
    unused = place_keys(header.shapes, shapes, str(path)).unused
    if not unused:
        return header
    return replace(header, warnings=(*header.warnings, warn_of_unused(name or path.name, unused)))


def network_shapes(preset: Preset, *, with_vace: bool = False) -> dict[str, Shape]:
    """Return the shapes of what LoRAs can change in the networks of a preset."""
    dit = preset.dit
    shapes = dit_shapes(dit.dim, dit.ffn_dim, dit.num_layers, dit.text_dim, dit.freq_dim)
    if not with_vace:
        return shapes
    return shapes | vace_shapes(dit.dim, dit.ffn_dim, dit.num_vace_blocks)

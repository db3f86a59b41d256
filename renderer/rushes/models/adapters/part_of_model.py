"""A LoRA that is published as one half of a model: without it the other half is not that model.

Source: longlive: utils/lora_utils.py; scope: .../wan2_1/lora/strategies/module_targeted_lora.py
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rushes.errors import CheckpointError
from rushes.models.adapters.lora import place_lora, targets_of
from rushes.models.checkpoint import listed


@torch.no_grad()
def merge_part(
    dit: nn.Module, state: Mapping[str, Tensor], origin: str, dtype: torch.dtype
) -> None:
    """Merge it into the weights, for good; each sum is rounded once, to the dtype of the render.

    Raises: CheckpointError when a linear layer of a block goes without, or a key has no place.
    """
    targets = targets_of(dit)
    lora = place_lora(state, targets, origin)
    wanted = [name for name in targets.layers if name.startswith("blocks.")]
    faults = {
        "no change for": [name for name in wanted if name not in lora.changes],
        "no place for": [*lora.unused, *lora.plain],
    }
    if any(faults.values()):
        told = "; ".join(f"{kind} {listed(names)}" for kind, names in faults.items() if names)
        raise CheckpointError(f"{origin}: is not the other half of this model: {told}")
    for name, change in lora.changes.items():
        weight = targets.layers[name].weight
        assert isinstance(weight, nn.Parameter)
        weight.data = (weight.data.float() + change.of(weight.data)).to(dtype)

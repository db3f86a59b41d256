"""State taken out of objects, as tensors and JSON values by name, to be put back later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Snapshot:
    """What an object needs to go on where it was; parts of parts have dotted names."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)  # JSON-safe

    def add(self, name: str, part: Snapshot) -> None:
        """Take in the state of a part."""
        self.tensors |= {f"{name}.{key}": tensor for key, tensor in part.tensors.items()}
        self.values[name] = part.values

    def part(self, name: str) -> Snapshot:
        """Return the state of a part."""
        start = f"{name}."
        tensors = {
            key.removeprefix(start): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(start)
        }
        return Snapshot(tensors, self.values[name])

    def to(self, device: torch.device) -> Snapshot:
        """Return the same with its tensors on a device."""
        moved = {name: tensor.to(device) for name, tensor in self.tensors.items()}
        return Snapshot(moved, self.values)

    def add_optional(self, name: str, tensor: Tensor | None) -> None:
        """Take in a tensor that may not be there."""
        if tensor is not None:
            self.tensors[name] = tensor

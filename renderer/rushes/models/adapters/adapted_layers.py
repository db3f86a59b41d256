"""LoRAs at work: merged into the weights of linear layers, or added to what the layers give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.models.adapters.lora import LoraPair, LoraWeights, Modules


@dataclass
class Adapter:
    """One LoRA in the layers: merged into their weights, or added while they run."""

    weights: LoraWeights
    strength: float = 1.0
    is_merged: bool = True


class AdaptedLayers:
    """LoRAs in the linear layers of networks, from ``attach`` until ``remove``.

    Merged ones change weights; what these were is kept on the host and put back bit by bit. A
    layer whose weights are of a type that cannot take a sum, such as fp8, gets all of them while
    it runs.
    """

    def __init__(self, layers: Modules, adapters: list[Adapter]) -> None:
        self._layers, self.adapters = layers, adapters
        self._strengths = [adapter.strength for adapter in adapters]
        self._originals: dict[str, Tensor] = {}
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    @torch.no_grad()
    def attach(self) -> None:
        """Put all LoRAs in."""
        for name, layer in self._layers.items():
            self._merge([a for a in self.adapters if a.is_merged and can_merge(layer)], name)
        for index, adapter in enumerate(self.adapters):
            for name, pair in adapter.weights.pairs.items():
                layer = self._layers[name]
                if not (adapter.is_merged and can_merge(layer)):
                    self._hooks.append(layer.register_forward_hook(self._adding(index, pair)))

    @torch.no_grad()
    def remove(self) -> None:
        """Make the layers again what they were."""
        for hook in self._hooks:
            hook.remove()
        for name, original in self._originals.items():
            weight = self._layers[name].weight
            weight.data = original.to(weight.device)
        self._hooks.clear()
        self._originals.clear()

    def set_strengths(self, strengths: tuple[float, ...]) -> bool:
        """Set the strength of every LoRA that is not merged; say whether one changed."""
        changed = tuple(self._strengths) != strengths
        self._strengths = list(strengths)
        return changed

    def _merge(self, adapters: list[Adapter], name: str) -> None:
        weight = self._layers[name].weight
        device = weight.device
        changes = [
            adapter.strength * adapter.weights.pairs[name].change(device)
            for adapter in adapters
            if adapter.strength and name in adapter.weights.pairs
        ]
        if not changes:
            return
        self._originals[name] = weight.data.cpu()
        weight.data = (weight.data.float() + sum(changes)).to(weight.dtype)

    def _adding(self, index: int, pair: LoraPair) -> Callable[..., Tensor]:
        halves: list[Tensor] = []  # on the layer's device, from its first run on

        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            strength = self._strengths[index] * pair.factor
            if not strength:
                return output
            x = inputs[0]
            if not halves:
                halves.extend((pair.down.to(x), pair.up.to(x)))
            down, up = halves
            return output + strength * functional.linear(functional.linear(x, down), up)

        return add


def can_merge(layer: nn.Linear) -> bool:
    """Say whether a layer's weights are plain numbers to which others can be added."""
    weight = layer.weight.data
    return type(weight) is Tensor and weight.dtype in (
        torch.float32,
        torch.bfloat16,
        torch.float16,
    )

"""LoRAs at work: merged into the parameters of networks, or added to what linear layers give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.models.adapters.changes import LowRank, WeightChange
from rushes.models.adapters.lora import LoraWeights, Targets, narrow_weight, wide_weight

_Adding = Callable[[Tensor, Tensor], Tensor]  # from a layer's input and output to what is added


@dataclass
class Adapter:
    """One LoRA in the layers: merged into their weights, or added while they run."""

    weights: LoraWeights
    strength: float = 1.0
    is_merged: bool = True


class AdaptedLayers:
    """LoRAs in the parameters of networks, from ``attach`` until ``remove``.

    Merged ones change weights; what these were is kept on the host and put back bit by bit. A
    layer whose weights are of a type that cannot take a sum, such as fp8, gets all of them while
    it runs. Several do not see each other: each one changes the network's own weights.
    """

    def __init__(self, targets: Targets, adapters: list[Adapter]) -> None:
        self._layers, self._parameters, self.adapters = (
            targets.layers,
            targets.parameters,
            adapters,
        )
        self._strengths = [adapter.strength for adapter in adapters]
        self._originals: dict[str, Tensor] = {}
        self._plain_originals: dict[str, Tensor] = {}
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    @torch.no_grad()
    def attach(self) -> None:
        """Put all LoRAs in."""
        for index, adapter in enumerate(self.adapters):
            for name, change in adapter.weights.changes.items():
                layer = self._layers[name]
                if not (adapter.is_merged and can_merge(layer)):
                    self._hooks.append(layer.register_forward_hook(self._hook(index, change)))
        for name, layer in self._layers.items():
            self._merge([a for a in self.adapters if a.is_merged and can_merge(layer)], name)
        self._set_plain()

    @torch.no_grad()
    def remove(self) -> None:
        """Make the layers again what they were."""
        for hook in self._hooks:
            hook.remove()
        for name, original in self._originals.items():
            narrow_weight(self._layers[name]).copy_(original)
        for name, original in self._plain_originals.items():
            self._parameters[name].copy_(original)
        self._hooks.clear()
        self._originals.clear()
        self._plain_originals.clear()

    @property
    def strengths(self) -> tuple[float, ...]:
        """The strength of every LoRA, as last set."""
        return tuple(self._strengths)

    @torch.no_grad()
    def set_strengths(self, strengths: tuple[float, ...]) -> bool:
        """Set the strength of every LoRA that is not merged; say whether one changed."""
        changed = tuple(self._strengths) != strengths
        self._strengths = list(strengths)
        if changed:
            self._set_plain()
        return changed

    def _merge(self, adapters: list[Adapter], name: str) -> None:
        using = [a for a in adapters if a.strength and name in a.weights.changes]
        if not using:
            return
        weight = self._layers[name].weight
        assert isinstance(weight, nn.Parameter)
        wide = weight.data.float()
        changes = [a.strength * a.weights.changes[name].of(wide) for a in using]
        self._originals[name] = weight.detach().to("cpu", copy=True)
        # In place, since the layer may be part of a stack.
        weight.copy_((wide + sum(changes)).to(weight.dtype))

    def _set_plain(self) -> None:
        """Set biases, norms and their like to what they are at the strengths of now."""
        names = dict.fromkeys(name for each in self.adapters for name in each.weights.plain)
        for name in names:
            parameter = self._parameters[name]
            original = self._plain_originals.setdefault(name, parameter.data.cpu().clone())
            total = original.float()
            is_changed = False
            for adapter, running in zip(self.adapters, self._strengths, strict=True):
                strength = adapter.strength if adapter.is_merged else running
                if strength and name in adapter.weights.plain:
                    is_changed = True
                    total = total + strength * adapter.weights.plain[name]
            parameter.copy_(total if is_changed else original)

    def _hook(self, index: int, change: WeightChange) -> Callable[..., Tensor]:
        prepared: list[_Adding] = []  # on the layer's device, from its first run on

        def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            strength = self._strengths[index]
            if not strength or (not change.factor * strength and change.magnitude is None):
                return output
            x = inputs[0]
            if not prepared:
                prepared.append(_adding(change, layer, x))
            return output + strength * prepared[0](x, output)

        return add


def _adding(change: WeightChange, layer: nn.Module, x: Tensor) -> _Adding:
    """Return what a change adds to the output of a layer at strength 1.

    Low-rank changes stay small: that of a DoRA with a magnitude a row is made from the output.
    """
    is_low = isinstance(change.product, LowRank)
    if not is_low or (change.magnitude is not None and change.magnitude.shape[1] != 1):
        matrix = change.of(wide_weight(layer).to(x.device)).to(x)
        return lambda x, _: functional.linear(x, matrix)
    assert isinstance(change.product, LowRank)
    down, up = change.product.down.to(x), change.product.up.to(x)
    factor = change.factor

    def low(x: Tensor) -> Tensor:
        return factor * functional.linear(functional.linear(x, down), up)

    if change.magnitude is None:
        return lambda x, _: low(x)
    wide = wide_weight(layer).to(x.device)
    gain = change.gain(wide, change.added(wide.device)).flatten().to(x)
    bias = layer.bias

    def rescaled(x: Tensor, output: Tensor) -> Tensor:
        plain = output if bias is None else output - bias  # type: ignore[operator]
        return (gain - 1) * plain + gain * low(x)

    return rescaled


def can_merge(layer: nn.Module) -> bool:
    """Say whether a layer's weights are plain numbers to which others can be added."""
    weight = narrow_weight(layer)
    is_plain = isinstance(layer, nn.Linear) and type(weight) is Tensor
    return is_plain and weight.dtype in (
        torch.float32,
        torch.bfloat16,
        torch.float16,
    )

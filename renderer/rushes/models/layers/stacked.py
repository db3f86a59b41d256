"""Layers that see the same tokens, computed as one product without keeping their weights twice."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def is_plain(layer: nn.Module) -> bool:
    """Say whether a layer is nothing but its weight and bias.

    Layers in fp8 are not, nor those to which a LoRA adds something while they run.
    """
    return (
        type(layer) is nn.Linear
        and type(layer.weight) is nn.Parameter
        and layer.bias is not None
        and not layer._forward_hooks
    )


class StackedLinear:
    """The weights of linear layers one below the other; the layers' own become views of them.

    What changes the layers in place, as merging a LoRA does, so changes the stack; where they were
    given other memory, as by a move to another device, they are stacked again.
    """

    def __init__(self, *layers: nn.Linear) -> None:
        self._layers = layers
        self._weight = self._bias = torch.empty(0)
        self._places: list[tuple[int, torch.dtype]] = []

    def is_of(self, *layers: nn.Module) -> bool:
        """Say whether these are the layers, and not others in their place."""
        return all(mine is other for mine, other in zip(self._layers, layers, strict=True))

    def tensors(self) -> tuple[Tensor, Tensor] | None:
        """Return weight and bias of all layers; nothing where they are not plain, or in training.

        Shapes:
            returns: [outs, in] and [outs]
        """
        if torch.is_grad_enabled() or not all(map(is_plain, self._layers)):
            return None
        if self._now() != self._places:
            self._stack()
        return self._weight, self._bias

    def _now(self) -> list[tuple[int, torch.dtype]]:
        parameters = (p for layer in self._layers for p in (layer.weight, layer.bias))
        return [(p.data_ptr(), p.dtype) for p in parameters]

    def _stack(self) -> None:
        # What is made in inference mode cannot be changed outside of it, so it is made like them.
        with torch.inference_mode(self._layers[0].weight.is_inference()), torch.no_grad():
            self._weight = torch.cat([layer.weight for layer in self._layers])
            self._bias = torch.cat([layer.bias for layer in self._layers])
            begin = 0
            for layer in self._layers:
                end = begin + layer.out_features
                layer.weight.data = self._weight[begin:end]
                layer.bias.data = self._bias[begin:end]
                begin = end
        self._places = self._now()


class WideWeights:
    """The weights of norms in float32, one below the other, made again when one has changed."""

    def __init__(self, *norms: nn.Module) -> None:
        self._norms = norms
        self._known: list[tuple[int, int]] = []
        self._weights = torch.empty(0)

    def tensor(self) -> Tensor:
        """Return them.

        Shapes:
            returns: [norms, E]
        """
        weights = [cast("Tensor", norm.weight) for norm in self._norms]
        if torch.is_grad_enabled() or any(map(Tensor.is_inference, weights)):
            # In training they take part; those made in inference mode do not count their changes.
            return torch.stack([weight.float() for weight in weights])
        now = [(weight.data_ptr(), weight._version) for weight in weights]
        if now != self._known:
            self._known = now
            self._weights = torch.stack([weight.float() for weight in weights])
        return self._weights

"""What a LoRA file adds to one weight: a low-rank product, or one of its relatives.

At strength s a layer's weight W becomes ``W + s * change(W)``. With a magnitude m (DoRA) the
change is that from W to ``m * V / |V|``, where V is W with the product added and |V| the length of
its rows, or of its columns where m has one number for each of those.

Source: arXiv 2106.09685 (LoRA), 2402.09353 (DoRA), 2309.14859 (LoHa, LoKr and their scales)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Product(Protocol):
    """What the numbers of a file stand for."""

    def matrix(self, device: torch.device) -> Tensor:
        """Return it in float32, [out, in]."""
        ...


@dataclass(frozen=True)
class LowRank:
    """``up @ down``.

    Shapes:
        down: [r, in]
        up: [out, r]
    """

    down: Tensor
    up: Tensor

    def matrix(self, device: torch.device) -> Tensor:
        return self.up.to(device).float() @ self.down.to(device).float()


@dataclass(frozen=True)
class Kronecker:
    """LoKr: the Kronecker product of two matrices, each whole or itself a product of two."""

    outer: tuple[Tensor, ...]
    inner: tuple[Tensor, ...]

    def matrix(self, device: torch.device) -> Tensor:
        return torch.kron(_product(self.outer, device), _product(self.inner, device))


@dataclass(frozen=True)
class Hadamard:
    """LoHa: the product, number by number, of two low-rank matrices."""

    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]

    def matrix(self, device: torch.device) -> Tensor:
        return _product(self.first, device) * _product(self.second, device)


@dataclass(frozen=True)
class Whole:
    """The difference of two weights, as it is."""

    difference: Tensor

    def matrix(self, device: torch.device) -> Tensor:
        return self.difference.to(device).float()


@dataclass(frozen=True)
class WeightChange:
    """The change of one weight at strength 1: a product, its factor, and the magnitude of a DoRA.

    Shapes:
        magnitude: [out, 1] or [1, in]
    """

    product: Product
    factor: float
    magnitude: Tensor | None = None

    def added(self, device: torch.device) -> Tensor:
        """Return the scaled product in float32, [out, in]: all of the change without magnitude."""
        return self.factor * self.product.matrix(device)

    def of(self, weight: Tensor) -> Tensor:
        """Return what is added to this weight, float32.

        Shapes:
            weight, returns: [out, in]
        """
        added = self.added(weight.device)
        if self.magnitude is None:
            return added
        wide = weight.float()
        return self.gain(wide, added) * (wide + added) - wide

    def gain(self, weight: Tensor, added: Tensor) -> Tensor:
        """Return what brings the rows, or the columns, of the sum to the magnitude of a DoRA.

        Shapes:
            weight, added: [out, in], float32
            returns: [out, 1] or [1, in]
        """
        assert self.magnitude is not None
        axis = 0 if self.magnitude.shape[0] == 1 and weight.shape[0] != 1 else 1
        lengths = torch.linalg.vector_norm(weight + added, dim=axis, keepdim=True)
        tiny = torch.finfo(torch.float32).tiny  # a row of zeros stays one
        return self.magnitude.to(weight.device).float() / lengths.clamp_min(tiny)


def weight_change(parts: Mapping[str, Tensor], factor: float) -> WeightChange:
    """Return the change that the tensors of a complete entry stand for."""
    magnitude = parts.get("magnitude")
    if magnitude is not None:
        magnitude = magnitude.reshape((1, -1) if magnitude.shape[:1] == (1,) else (-1, 1))
    elif "row_magnitude" in parts:
        magnitude = parts["row_magnitude"].reshape(-1, 1)
    if "down" in parts:
        product: Product = LowRank(_matrix(parts["down"]), _matrix(parts["up"]))
    elif "hada_w1_a" in parts:
        first, second = (
            (_matrix(parts[f"hada_w{n}_a"]), _matrix(parts[f"hada_w{n}_b"])) for n in (1, 2)
        )
        product = Hadamard(first, second)
    elif "diff" in parts:
        product = Whole(parts["diff"])
    else:
        product = Kronecker(_half(parts, "lokr_w1"), _half(parts, "lokr_w2"))
    return WeightChange(product, factor, magnitude)


def _half(parts: Mapping[str, Tensor], name: str) -> tuple[Tensor, ...]:
    if name in parts:
        return (_matrix(parts[name]),)
    return _matrix(parts[f"{name}_a"]), _matrix(parts[f"{name}_b"])


def _matrix(tensor: Tensor) -> Tensor:
    """Lay the axes that a convolution has behind the first two to the second."""
    return tensor.flatten(1) if tensor.ndim > 2 else tensor


def _product(factors: tuple[Tensor, ...], device: torch.device) -> Tensor:
    wide = [factor.to(device).float() for factor in factors]
    return wide[0] if len(wide) == 1 else wide[0] @ wide[1]

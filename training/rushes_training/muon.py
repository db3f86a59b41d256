"""Muon: gradient descent whose steps change a matrix equally in all directions.

``torch.optim.Muon`` computes in bfloat16, which is slow on most CPUs, and takes no convolutions.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the size of
the steps is that of arXiv:2502.16982, section 2.2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_ADAM_STEP = 0.2  # root mean square of what AdamW changes in a step of rate 1


class Muon(torch.optim.Optimizer):
    """For weights of two axes and more; those of convolutions count as [out, all else]."""

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["mean"] = torch.zeros_like(weight)
                state["mean"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(state["mean"], group["momentum"])
                matrix = ahead.flatten(1)
                scale = _ADAM_STEP * max(matrix.shape) ** 0.5
                weight.add_(even_out(matrix).view_as(weight), alpha=-group["lr"] * scale)


def even_out(matrix: Tensor) -> Tensor:
    """Bring all singular values of a matrix near 1, by Newton-Schulz iterations."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / (x.norm() + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    even: Tensor = x.T if is_tall else x
    return even


def optimisers_for(
    module: nn.Module, matrices: Iterable[nn.Parameter], rate: float, adam_rate: float
) -> list[torch.optim.Optimizer]:
    """Muon for some weights of a network, AdamW for the others."""
    chosen = list(matrices)
    ids = {id(weight) for weight in chosen}
    others = [weight for weight in module.parameters() if id(weight) not in ids]
    adam = torch.optim.AdamW(others, lr=adam_rate, betas=(0.9, 0.97), weight_decay=0.0)
    return [Muon(chosen, rate), adam]

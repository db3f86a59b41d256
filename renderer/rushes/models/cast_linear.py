"""Linear layers whose weights are stored narrower than they are computed with: fp8, bf16."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_FP8 = torch.float8_e4m3fn
_LARGEST_FP8 = torch.finfo(_FP8).max


class CastLinear(nn.Module):
    """A linear layer that widens its weight as it is used, and multiplies by the weight's scale."""

    # transformers casts the input to the dtype of a layer's `weight` if that is a tensor, which
    # would round it to fp8; so the tensor has another name here.
    weight = None

    def __init__(
        self, stored: Tensor, scale: Tensor | None = None, bias: Tensor | None = None
    ) -> None:
        """``scale`` is one number, or one for each row of ``stored``."""
        super().__init__()
        self.stored = nn.Parameter(stored, requires_grad=False)
        self.scale = None if scale is None else nn.Parameter(scale, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.linear(x, self.stored.to(x.dtype))
        if self.scale is not None:
            y = y * self.scale.to(x.dtype)
        return y if self.bias is None else y + self.bias


def to_fp8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight to fp8, each row scaled to the whole range.

    Shapes:
        weight: [E_out, E_in]
        returns: fp8 [E_out, E_in] and its scale [E_out], float32
    """
    wide = weight.float()
    scale = (wide.abs().amax(dim=1) / _LARGEST_FP8).clamp_min(torch.finfo(torch.float32).tiny)
    return (wide / scale.unsqueeze(1)).to(_FP8), scale

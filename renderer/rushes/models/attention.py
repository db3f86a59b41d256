"""Softmax attention, one function whatever the kernel."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend from every query to every key of its row, without a mask.

    Shapes:
        q: [B, S, N, D]
        k, v: [B, S_kv, N, D]
        returns: [B, S, N, D]
    """
    out = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2)

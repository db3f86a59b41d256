"""Softmax attention, one function whatever the kernel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attend(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
    """Attend from every query to every key of its row, without a mask.

    With ``lengths``, row r sees its first ``lengths[r]`` keys only; rows then run one by one,
    which happens while the windows of rows fill up and never after.

    Shapes:
        q: [B, S, N, D]
        k, v: [B, S_kv, N, D]
        returns: [B, S, N, D]
    """
    if lengths is not None:
        rows = zip(q.split(1), k.split(1), v.split(1), lengths, strict=True)
        return torch.cat([attend(q, k[:, :length], v[:, :length]) for q, k, v, length in rows])
    out = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2)

"""The sizes of what a cache of past frames keeps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SlotSizes:
    """How much is kept: ``window`` frames of ``frame_tokens`` tokens for each block and row."""

    num_blocks: int
    num_heads: int
    head_dim: int
    frame_tokens: int
    window: int
    rows: int = 1
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"

    def zeros(self) -> Tensor:
        """Return empty slots for the keys and values of all frames.

        Shapes:
            returns: [blocks, keys and values, rows, slots, tokens, heads, head width]
        """
        shape = (
            *(self.num_blocks, 2, self.rows, self.window),
            *(self.frame_tokens, self.num_heads, self.head_dim),
        )
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

"""Tiny caches of slots, and frames that tell what they are, for the tests of both ring caches."""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.models.kv_cache import Seen
from rushes.models.slots import SlotSizes

BLOCKS, HEADS, WIDTH, TOKENS = 2, 2, 3, 2


def sizes(window: int = 6, rows: int = 1) -> SlotSizes:
    return SlotSizes(
        num_blocks=BLOCKS,
        num_heads=HEADS,
        head_dim=WIDTH,
        frame_tokens=TOKENS,
        window=window,
        rows=rows,
    )


def telling(values: list[list[int]]) -> Tensor:
    """Return tokens that tell the value of their frame: [B, T * TOKENS, N, D]."""
    frames = torch.tensor(values, dtype=torch.float32).repeat_interleave(TOKENS, dim=1)
    return frames[:, :, None, None].expand(-1, -1, HEADS, WIDTH)


def told(seen: Seen) -> list[list[int]]:
    """Return the values of the frames that each row may see."""
    k, v, *rest = seen
    lengths = rest[0] if rest and rest[0] is not None else [k.shape[1]] * len(k)
    assert torch.equal(k, v)
    frames = k.unflatten(1, (-1, TOKENS))
    assert (frames == frames[:, :, :1, :1, :1]).all()
    return [
        [int(value) for value in row[: length // TOKENS, 0, 0, 0]]
        for row, length in zip(frames, lengths, strict=True)
    ]


def direction(*values: float) -> Tensor:
    """One frame whose tokens all point one way, for comparisons: [1, TOKENS, N, D]."""
    tokens = torch.tensor(values, dtype=torch.float32)
    return tokens.expand(1, TOKENS, HEADS, WIDTH).clone()

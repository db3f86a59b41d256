"""Tiny caches, frames that tell what they are, and random sessions, for tests of all caches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from rushes.models.caches.kv_cache import Seen
from rushes.models.caches.slot_sizes import SlotSizes

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
    return [values[: length // TOKENS] for values, length in zip(told_by(k), lengths, strict=True)]


def told_by(tokens: Tensor) -> list[list[int]]:
    """Return the values of all frames of each row; every token of a frame tells the same."""
    frames = tokens.unflatten(1, (-1, TOKENS))
    assert (frames == frames[:, :, :1, :1, :1]).all()
    return [[int(value) for value in row] for row in frames[:, :, 0, 0, 0]]


def direction(*values: float) -> Tensor:
    """One frame whose tokens all point one way, for comparisons: [1, TOKENS, N, D]."""
    tokens = torch.tensor(values, dtype=torch.float32)
    return tokens.expand(1, TOKENS, HEADS, WIDTH).clone()


@dataclass(frozen=True)
class Session:
    """A cache's window and sinks, the frames of each chunk, and the passes over each."""

    window: int
    sinks: int
    chunks: tuple[int, ...]
    passes: int


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Windows, sinks and chunks that fit between the sinks and the window's end."""
    window = draw(st.integers(1, 8))
    sinks = draw(st.integers(0, window - 1))
    chunks = draw(st.lists(st.integers(1, window - sinks), min_size=1, max_size=20))
    return Session(window, sinks, tuple(chunks), draw(st.integers(1, 3)))

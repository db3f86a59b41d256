"""Rotary position embedding over (frame, row, column) of a latent chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from rushes.errors import ShapeError

MAX_POSITION = 1024  # length of the table in latent frames, scope: .../wan2_1/utils.py
_THETA = 10000.0


@dataclass(frozen=True)
class RotaryFactors:
    """Cosines and sines for the tokens of one chunk, float32.

    Shapes:
        cos, sin: [R, S, 1, D/2]; R is 1 or the number of rows
    """

    cos: Tensor
    sin: Tensor

    def row(self, index: int) -> RotaryFactors:
        """Return the factors of one row."""
        return RotaryFactors(self.cos[index : index + 1], self.sin[index : index + 1])

    @cached_property
    def turns(self) -> Tensor:
        """The same as complex numbers."""
        return torch.complex(self.cos, self.sin)


def axis_pairs(head_dim: int) -> tuple[int, int, int]:
    """Return how many complex pairs of a head turn with time, height and width."""
    spatial = 2 * (head_dim // 6)
    return (head_dim - 2 * spatial) // 2, spatial // 2, spatial // 2


def rotary_table(head_dim: int, num_positions: int = MAX_POSITION) -> Tensor:
    """Return the angle of every position and pair; each axis starts again at frequency 1.

    Shapes:
        returns: [num_positions, D/2], float64
    Source: sdv2: models/wan/wan_base/modules/model.py (rope_params)
    """
    positions = torch.arange(num_positions, dtype=torch.float64)
    frequencies = [
        _THETA ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
        for pairs in axis_pairs(head_dim)
    ]
    return torch.outer(positions, torch.cat(frequencies))


class RotaryEmbedding:
    """Makes the factors of a chunk from its start frame and grid; holds the table, no weights."""

    def __init__(self, head_dim: int, device: torch.device | str = "cpu") -> None:
        self._pairs = axis_pairs(head_dim)
        angles = rotary_table(head_dim)
        self._cos = angles.cos().float().to(device)
        self._sin = angles.sin().float().to(device)

    def factors(
        self, start_frames: Sequence[int], num_frames: int, height: int, width: int
    ) -> RotaryFactors:
        """Return the factors of a chunk of ``num_frames`` x ``height`` x ``width`` tokens.

        Shapes:
            returns: cos and sin [R, S, 1, D/2], R = len(start_frames), S = frames * height * width
        Raises: ShapeError when a frame lies beyond the table; nothing wraps.
        """
        for start in start_frames:
            if start < 0 or start + num_frames > MAX_POSITION:
                raise ShapeError(
                    f"latent frames {start} to {start + num_frames - 1} lie outside the rotary "
                    f"table of {MAX_POSITION}; the plan must reset or rewind positions before"
                )
        grid = (num_frames, height, width)
        cos = torch.stack([self._expand(self._cos, start, grid) for start in start_frames])
        sin = torch.stack([self._expand(self._sin, start, grid) for start in start_frames])
        return RotaryFactors(cos.unsqueeze(2), sin.unsqueeze(2))

    def _expand(self, table: Tensor, start: int, grid: tuple[int, int, int]) -> Tensor:
        time, rows, columns = table.split(self._pairs, dim=1)
        frames, height, width = grid
        parts = (
            time[start : start + frames].view(frames, 1, 1, -1).expand(*grid, -1),
            rows[:height].view(1, height, 1, -1).expand(*grid, -1),
            columns[:width].view(1, 1, width, -1).expand(*grid, -1),
        )
        return torch.cat(parts, dim=-1).flatten(0, 2)  # [S, D/2]


def rotate(x: Tensor, factors: RotaryFactors) -> Tensor:
    """Turn the consecutive pairs of every head by the angles of their token.

    Computed in float32, returned in the dtype of ``x``. (The references compute in float64 from
    the same float64 angles; the results agree to float32 rounding, and float32 exists on MPS.)

    Shapes:
        x: [B, S, N, D]
        returns: [B, S, N, D]
    Source: sdv2: models/wan/causal_model.py (causal_rope_apply)
    """
    return turn(x, factors).to(x.dtype)


def turn(x: Tensor, factors: RotaryFactors) -> Tensor:
    """Turn as ``rotate``; the result stays in float32. Several tensors may lie side by side.

    Shapes:
        x, returns: [B, S, N, D] or [B, S, M, N, D]
    """
    pairs = x.float().unflatten(-1, (-1, 2))
    if x.device.type == "mps":  # where complex numbers are new and partial
        return _turn_pairs(pairs, factors)
    turns = factors.turns if x.dim() == 4 else factors.turns.unsqueeze(2)
    return torch.view_as_real(torch.view_as_complex(pairs) * turns).flatten(-2)


def _turn_pairs(pairs: Tensor, factors: RotaryFactors) -> Tensor:
    cos, sin = (
        each if pairs.dim() == 5 else each.unsqueeze(2) for each in (factors.cos, factors.sin)
    )
    even, odd = pairs.unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class KeyRotation:
    """Turns keys of whole frames by their position, for caches that keep them as they are made.

    ``grid`` is the height and width of a frame in tokens.
    """

    def __init__(self, rotary: RotaryEmbedding, grid: tuple[int, int]) -> None:
        self._frame_tokens = grid[0] * grid[1]
        # Every block of a pass asks for the same few.
        self._factors = lru_cache(maxsize=4)(
            lambda start, frames: rotary.factors([start], frames, *grid)
        )

    def __call__(self, keys: Tensor, start: int) -> Tensor:
        """Turn keys, the first of which belong to frame ``start``.

        Shapes:
            keys, returns: [B, S, N, D]
        """
        return rotate(keys, self._factors(start, keys.shape[1] // self._frame_tokens))

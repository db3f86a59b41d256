"""Noise that depends on the seed of the chunk alone, not on the device that uses it."""

from __future__ import annotations

import torch
from torch import Tensor


class ChunkNoise:
    """Normal noise for one chunk: first the starting latents', then that of each denoising step.

    Drawn in float32 on the CPU, so that every device, and an attempt that starts in the middle of
    a timeline, sees the same numbers.
    """

    def __init__(self, seed: int, shape: tuple[int, ...], drawn: int = 0) -> None:
        """``drawn`` says how many of the chunk's noises have been used before."""
        self.seed = seed
        self.drawn = 0
        self._generator = torch.Generator().manual_seed(seed)
        self._shape = shape
        while self.drawn < drawn:
            self._next()

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the next noise of the chunk's shape."""
        return self._next().to(device=device, dtype=dtype)

    def _next(self) -> Tensor:
        self.drawn += 1
        return torch.randn(self._shape, generator=self._generator)


def cover(encoded: Tensor, noise: Tensor, noise_scale: float) -> Tensor:
    """Cover encoded input with noise, as the start of its denoising; shapes agree."""
    return noise * noise_scale + encoded * (1 - noise_scale)

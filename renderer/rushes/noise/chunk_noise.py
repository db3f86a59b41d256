"""Noise that depends on the seed of the chunk alone, not on the device that uses it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rushes.noise.philox import CudaGenerator
from rushes.presets.device_classes import GPUS, DeviceClass


class ChunkNoise:
    """Normal noise for one chunk: first the starting latents', then that of each denoising step.

    Every device, and an attempt that starts in the middle of a timeline, sees the same numbers:
    those of PyTorch's generator on a CPU in float32, or those that a GPU of some class draws in
    bfloat16, as the references do.
    """

    def __init__(
        self,
        seed: int,
        shape: tuple[int, ...],
        drawn: int = 0,
        device_class: DeviceClass | None = None,
    ) -> None:
        """``drawn`` says how many of the chunk's noises have been used before.

        With ``device_class`` the numbers are those of such a GPU.
        """
        self.seed = seed
        self.drawn = drawn
        self._shape = shape
        self._on_cpu = self._on_gpu = None
        if device_class is None:
            self._on_cpu = torch.Generator().manual_seed(seed)
            for _ in range(drawn):
                torch.randn(shape, generator=self._on_cpu)
        else:
            self._on_gpu = CudaGenerator(seed, GPUS[device_class].threads)
            for _ in range(drawn):
                self._on_gpu.skip(math.prod(shape))

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the next noise of the chunk's shape."""
        self.drawn += 1
        if self._on_gpu is None:
            return torch.randn(self._shape, generator=self._on_cpu).to(device=device, dtype=dtype)
        numbers = torch.from_numpy(self._on_gpu.normal(math.prod(self._shape)))
        rounded = numbers.bfloat16().reshape(self._shape)
        return rounded.to(device).to(dtype)

"""Noise that depends on the seed of the chunk alone, not on the device that uses it."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from rushes.noise.normals import seeded_normals
from rushes.presets.device_classes import DeviceClass
from rushes.transfer import to_device


class ChunkNoise:
    """Normal noise for one chunk: first the starting latents', then that of each denoising step.

    Every device, and an attempt that starts in the middle of a timeline, sees the same numbers:
    those of a CPU in float32, or those that a GPU of some class draws in bfloat16.
    """

    def __init__(
        self,
        seed: int,
        shape: tuple[int, ...],
        drawn: int = 0,
        device_class: DeviceClass | None = None,
    ) -> None:
        """``drawn`` is how many of the chunk's noises have been used before.

        With ``device_class`` the numbers are those of such a GPU.
        """
        self.seed = seed
        self.drawn = drawn
        self._shape = shape
        self._normals = seeded_normals(seed, device_class)
        self._ahead: deque[Tensor] = deque()
        self._on_device: deque[Tensor] = deque()
        for _ in range(drawn):
            self._normals.skip(shape)

    def draw_ahead(self, count: int) -> None:
        """Have the next ``count`` noises ready; that may take place in another thread."""
        for _ in range(count - len(self._ahead)):
            self._ahead.append(self._normals.draw(self._shape))

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the next noise of the chunk's shape; what is ready goes to the device at once."""
        self.drawn += 1
        if not self._on_device:
            self.draw_ahead(1)
            ahead = torch.stack(tuple(self._ahead))
            self._ahead.clear()
            self._on_device.extend(to_device(ahead, device).to(dtype).unbind(0))
        return self._on_device.popleft()

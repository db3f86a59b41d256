"""Noise that depends on the seed of the chunk alone, not on the device that uses it."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from rushes.noise.normals import seeded_normals
from rushes.presets.device_classes import DeviceClass
from rushes.transfer import Sent, send


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
        self._sent: Sent | None = None
        self._on_device: deque[Tensor] = deque()
        for _ in range(drawn):
            self._normals.skip(shape)

    def send_ahead(self, count: int, device: torch.device) -> None:
        """Draw the next noises and send them to a device; that may take place in another thread."""
        noises = [self._normals.draw(self._shape) for _ in range(count)]
        self._sent = send(torch.stack(noises), device)

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the next noise of the chunk's shape."""
        self.drawn += 1
        if not self._on_device:
            if self._sent is None:
                self.send_ahead(1, device)
            sent, self._sent = self._sent, None
            assert sent is not None
            self._on_device.extend(sent.here().to(dtype).unbind(0))
        return self._on_device.popleft()

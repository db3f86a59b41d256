"""The end of what was made so far, in a form from which a new beginning can go on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rushes.models.caches.snapshot import Snapshot


class Tail:
    """Some last latent frames, of which the first is encoded anew when they are needed.

    A first latent stands for one frame, all others for four each. So the first one of a new
    beginning is made of a decoded frame, encoded alone.

    Source: causvid: minimal_inference/longvideo_autoregressive_inference.py; scope:
    src/scope/core/pipelines/krea_realtime_video/blocks
    """

    def __init__(self, num_latents: int, encode_alone: Callable[[Tensor], Tensor]) -> None:
        self._num_kept = num_latents - 1
        self._num_pixels = 4 * (num_latents - 1) + 1
        self._encode_alone = encode_alone
        self.latents: Tensor | None = None  # [1, T, C, H, W], the last but the first
        self.pixels: Tensor | None = None  # [1, T, 3, H, W]

    def reset(self) -> None:
        """Forget everything."""
        self.latents = self.pixels = None

    def keep(self, clean: Tensor) -> None:
        """Take in the latents of a chunk, [1, T, C, H, W]."""
        self.latents = _last(self.latents, clean, self._num_kept)

    def remember(self, pixels: Tensor) -> None:
        """Take in the frames of a chunk, [1, T, 3, H, W] in [-1, 1]."""
        self.pixels = _last(self.pixels, pixels, self._num_pixels)

    def anchor(self) -> Tensor:
        """Encode the oldest of the frames alone.

        Shapes:
            returns: [1, 1, C, H, W]
        """
        assert self.pixels is not None
        return self._encode_alone(self.pixels[:, :1])

    def following(self, anchor: Tensor) -> Tensor:
        """Return the last latents behind an anchor, [1, T, C, H, W]."""
        assert self.latents is not None
        return torch.cat((anchor.to(self.latents.dtype), self.latents), dim=1)

    def snapshot(self) -> Snapshot:
        snapshot = Snapshot()
        snapshot.add_optional("latents", self.latents)
        snapshot.add_optional("pixels", self.pixels)
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.latents = snapshot.tensors.get("latents")
        self.pixels = snapshot.tensors.get("pixels")


def _last(before: Tensor | None, new: Tensor, count: int) -> Tensor:
    joined = new if before is None else torch.cat((before, new), dim=1)
    return joined[:, joined.shape[1] - min(count, joined.shape[1]) :].clone()

"""Encodes what steers a chunk through VACE: control video, masks and reference images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.vace import control_context, reference_context
from rushes.stream.pixels import cover_image, to_pixels

# Pixels [1, T, 3, H, W] in [-1, 1] and a stream's cache -> latents [1, T_lat, 16, H/8, W/8].
Encode = Callable[[Tensor, FeatureCache], Tensor]


class ControlEncoder(Protocol):
    """Makes the VACE context of each chunk, and remembers what its streams need."""

    def context(
        self, frames: Tensor | None, masks: Tensor | None, references: Sequence[Tensor]
    ) -> Tensor | None:
        """Return the context of the next chunk, or None if nothing steers it.

        Shapes:
            frames: [T, H, W, 3], uint8
            masks: [T, H, W], 1 where pictures are made anew; all of them if None
            references: [H, W, 3] each, uint8
            returns: [1, T, 96, H/8, W/8]; references stand in the place of the first latent frames
        """
        ...

    def reset(self) -> None:
        """Start the streams anew."""
        ...

    def snapshot(self) -> Snapshot:
        """Return the state of the streams."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        ...


class VaceEncoder:
    """Each half of a masked control video is a stream of its own, with its own feature cache.

    Source: scope: .../wan2_1/vace/blocks/vace_encoding.py, which lets all streams share one cache,
    and puts references before the control frames, so that these are late by as many, or cut off.
    """

    def __init__(self, encode: Encode, height: int, width: int) -> None:
        self._encode = encode
        self._size = (height, width)
        self.kept_cache = FeatureCache()
        self.renewed_cache = FeatureCache()

    def reset(self) -> None:
        self.kept_cache.reset()
        self.renewed_cache.reset()

    def snapshot(self) -> Snapshot:
        snapshot = Snapshot()
        snapshot.add("kept", self.kept_cache.snapshot())
        snapshot.add("renewed", self.renewed_cache.snapshot())
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.kept_cache.restore(snapshot.part("kept"))
        self.renewed_cache.restore(snapshot.part("renewed"))

    def context(
        self, frames: Tensor | None, masks: Tensor | None, references: Sequence[Tensor]
    ) -> Tensor | None:
        parts = [
            reference_context(self._encode(cover_image(image, *self._size), FeatureCache()))
            for image in references
        ]
        if frames is not None:
            kept, renewed, masks = split_by_mask(frames, masks)
            encoded_kept = self._encode(kept, self.kept_cache)
            encoded_renewed = self._encode(renewed, self.renewed_cache)
            context = control_context(encoded_kept, encoded_renewed, masks)
            parts.append(context[:, len(references) :])
        return torch.cat(parts, dim=1) if parts else None


def split_by_mask(frames: Tensor, masks: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Part a control video into what is kept and what is made anew; the rest of each is grey.

    Shapes:
        frames: [T, H, W, 3], uint8
        masks: [T, H, W] or None
        returns: two of [1, T, 3, H, W] in [-1, 1], and masks [T, H, W]
    """
    pixels = to_pixels(frames)
    if masks is None:
        masks = torch.ones(frames.shape[:3], device=frames.device)
    masks = (masks > 0.5).to(pixels.dtype)
    by_pixel = masks[None, :, None]  # [1, T, 1, H, W]
    return pixels * (1 - by_pixel), pixels * by_pixel, masks

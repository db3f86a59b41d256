"""What the stream needs of an autoencoder, whichever network it is."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from rushes.models.caches.feature_cache import FeatureCache


class Autoencoder(Protocol):
    """Encodes and decodes chunk by chunk; all state of a stream is in its cache."""

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        """Encode the next frames of a stream.

        Shapes:
            pixels: [B, T_px, 3, H, W] in [-1, 1]; T_px = 1 + 4n at the stream's start, else 4n
            returns: [B, T_lat, C, H/8, W/8], T_lat = ceil(T_px / 4)
        """
        ...

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode the next latent frames of a stream.

        Shapes:
            latents: [B, T_lat, C, h, w]
            returns: [B, T_px, 3, 8h, 8w], T_px = 4 * T_lat, 3 less at the start
        """
        ...

"""The steps of an autoencoder in the middle of a stream, on fixed buffers."""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.models.autoencoder import Autoencoder
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.graphs.capture import capture_on
from rushes.models.graphs.runner import Runners


class GraphedAutoencoder:
    """Stands in for the autoencoder of one stream; what is not steady runs plainly.

    A chunk is steady when the one before has left every buffer of its cache where it was. The
    graphs of a cache have memory of their own, since encoding and decoding may overlap.
    """

    def __init__(self, vae: Autoencoder, device: torch.device) -> None:
        self._vae, self._device = vae, device
        self.runners: dict[FeatureCache, Runners] = {}  # only of caches that last

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        """Encode the next frames of a stream, as ``Autoencoder.encode``."""

        def step(pixels: Tensor) -> Tensor:
            return self._vae.encode(pixels, cache, normalise)

        if cache.layout is None:
            return step(pixels)
        kind = ("encode", normalise, cache.layout)
        return self._of(cache).run(kind, step, (pixels,)).clone()

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode the next latent frames, as ``Autoencoder.decode``; valid until the next ones."""

        def step(latents: Tensor) -> Tensor:
            return self._vae.decode(latents, cache)

        if cache.layout is None:
            return step(latents)
        return self._of(cache).run(("decode", cache.layout), step, (latents,))

    def _of(self, cache: FeatureCache) -> Runners:
        if cache not in self.runners:
            self.runners[cache] = Runners(capture_on(self._device))
        return self.runners[cache]

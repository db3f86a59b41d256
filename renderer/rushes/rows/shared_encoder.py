"""An autoencoder for rows that encode the same frames: each chunk is encoded once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary

from torch import Tensor

from rushes.models.autoencoder import Autoencoder
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.snapshot import Snapshot


class _History:
    """Stands for all frames that a cache has seen; equal histories are one object."""


@dataclass(frozen=True)
class _Encoded:
    before: _History | None  # None: the cache was empty
    pixels: Tensor
    normalise: bool
    latents: Tensor
    after: _History
    features: Snapshot


class SharedEncoder:
    """Remembers what it encoded last, and gives it to rows that ask for the same.

    A row's cache is then made what encoding would have made of it. Rows may encode different
    frames too, or be ahead of each other; then each does its own work.
    """

    def __init__(self, vae: Autoencoder) -> None:
        self._vae = vae
        self._lock = Lock()
        self._histories: WeakKeyDictionary[FeatureCache, _History] = WeakKeyDictionary()
        self._recent: deque[_Encoded] = deque(maxlen=2)
        self.num_encoded = 0

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        """Encode the next frames of a stream, as ``Autoencoder.encode``."""
        with self._lock:
            before = None if cache.is_first_call else self._histories.setdefault(cache, _History())
            for known in self._recent:
                is_same = known.before is before and known.normalise == normalise
                if is_same and known.pixels.shape == pixels.shape and known.pixels.equal(pixels):
                    cache.restore(known.features)  # which copies them
                    break
            else:
                latents = self._vae.encode(pixels, cache, normalise)
                features = _copied(cache.snapshot())
                known = _Encoded(before, pixels, normalise, latents, _History(), features)
                self._recent.append(known)
                self.num_encoded += 1
            self._histories[cache] = known.after
            return known.latents

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode the next latent frames of a stream, as ``Autoencoder.decode``."""
        return self._vae.decode(latents, cache)


def _copied(snapshot: Snapshot) -> Snapshot:
    tensors = {name: tensor.clone() for name, tensor in snapshot.tensors.items()}
    return Snapshot(tensors, snapshot.values)

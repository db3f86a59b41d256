"""Encodes the input of a stream, that of the next chunk beside the passes over this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from rushes.lanes import Lane
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.snapshot import Snapshot
from rushes.stream.ahead import Prepared
from rushes.stream.pixels import to_pixels
from rushes.timeline.plan.render_plan import Chunk

_AHEAD = "ahead"


class InputEncoder:
    """Latents of input frames, at most one chunk ahead; without a lane never ahead."""

    def __init__(
        self, encode: Callable[[Tensor], Tensor], cache: FeatureCache, lane: Lane | None
    ) -> None:
        """``encode`` takes pixels [1, T, 3, H, W] and remembers the stream in the cache."""
        self._encode, self._cache, self._lane = encode, cache, lane
        self._next: tuple[int, Tensor] | None = None  # index of the chunk, and its latents

    def begin(self, chunk: Chunk) -> None:
        """Begin as on an empty cache, unless the chunk that does so is encoded already."""
        if self._next is None or self._next[0] != chunk.index:
            self._next = None
            self._cache.reset()

    def encode_ahead(self, chunk: Chunk, ready: Prepared) -> None:
        """Encode the next chunk beside what is asked for meanwhile."""
        if self._lane is None or ready.video is None or ready.noise_scale is None:
            return
        if chunk.reset:
            self._cache.reset()
        with self._lane.beside():
            self._next = chunk.index, self._encode(to_pixels(ready.video.here()))

    def latents(self, chunk: Chunk, ready: Prepared) -> Tensor | None:
        """Return the latents of a chunk; nothing where it has no input to be covered by noise.

        Shapes:
            returns: [1, T_lat, C, H/8, W/8]
        """
        if ready.video is None or ready.noise_scale is None:
            return None
        following, self._next = self._next, None
        if following is None or following[0] != chunk.index:
            return self._encode(to_pixels(ready.video.here()))
        if self._lane is not None:
            self._lane.join(following[1])
        return following[1]

    def snapshot(self) -> Snapshot:
        """Return the state of the stream, and what is encoded ahead."""
        snapshot = self._cache.snapshot()
        if self._next is not None:
            snapshot.values[_AHEAD], snapshot.tensors[_AHEAD] = self._next
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        tensors = dict(snapshot.tensors)
        latents = tensors.pop(_AHEAD, None)
        self._next = None if latents is None else (snapshot.values[_AHEAD], latents)
        self._cache.restore(replace(snapshot, tensors=tensors))

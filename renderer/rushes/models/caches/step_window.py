"""The memory of Rolling Forcing, where each chunk of a window is at another denoising step.

Source: cf: long_video/wan/modules/causal_model.py (thu-ml/Causal-Forcing)
"""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import RotateKeys, Seen
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.snapshot import Snapshot
from rushes.models.caches.window import Window


class StepWindowCache:
    """Keeps the first chunk of each call, which is the oldest; the others come again.

    The sinks are kept as they are made, and turned when they are used; all other keys by their
    position in the video. ``attended`` frames at most take part in a call.
    """

    rotates_keys = True

    def __init__(
        self,
        sizes: SlotSizes,
        *,
        sinks: int,
        chunk_frames: int,
        attended: int,
        rotate_keys: RotateKeys,
    ) -> None:
        self.window = Window(sizes, sinks)
        self.chunk_frames, self.attended = chunk_frames, attended
        self._rotate_keys = rotate_keys
        self._start = self._count = 0
        self._is_clean = False

    def reset(self) -> None:
        """Forget everything."""
        self.window.reset()

    def begin_call(self, start: int, count: int, *, is_clean: bool) -> int:
        """Say what follows: a pass over ``count`` frames, or the clean pass over the oldest chunk.

        Returns the position that queries are turned by.
        """
        self.window.aim(start, self.chunk_frames)
        self._start, self._count, self._is_clean = start, count, is_clean
        return start

    def write(self, block: int, k: Tensor, v: Tensor | None) -> Seen:
        assert v is not None
        window = self.window
        tokens = self.chunk_frames * window.sizes.frame_tokens
        turned = self._rotate_keys(k, self._start)
        kept = k if window.first < window.sinks else turned
        window.write(block, kept[:, :tokens], v[:, :tokens])
        if self._start == 0:
            return turned, v
        if self._is_clean:
            return self._seen_by_clean_pass(block)
        return self._seen_by_window(block, turned, v)

    def _seen_by_clean_pass(self, block: int) -> Seen:
        window = self.window
        first = max(0, window.stop - self.attended)
        if first:
            return window.read(block, max(first, window.sinks), window.stop)
        sinks, sink_values = window.read(block, 0, window.sinks)
        keys, values = window.read(block, window.sinks, window.stop)
        return _joined((self._rotate_keys(sinks, 0), keys), (sink_values, values))

    def _seen_by_window(self, block: int, turned: Tensor, v: Tensor) -> Seen:
        window = self.window
        sinks, sink_values = window.read(block, 0, window.sinks)
        room = self.attended - window.sinks - self._count
        before = max(0, min(window.first - window.sinks, room))
        keys, values = window.read(block, window.first - before, window.first)
        turned_sinks = self._rotate_keys(sinks, self._start - before - window.sinks)
        return _joined((turned_sinks, keys, turned), (sink_values, values, v))

    def snapshot(self) -> Snapshot:
        """Return the filled slots and the counters."""
        return self.window.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a cache of the same sizes."""
        self.window.restore(snapshot)


def _joined(keys: tuple[Tensor, ...], values: tuple[Tensor, ...]) -> Seen:
    return torch.cat(keys, dim=1), torch.cat(values, dim=1)

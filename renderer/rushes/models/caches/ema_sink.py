"""RewardForcing's memory: sinks that take in a little of every frame that leaves the window.

Source: scope: src/scope/core/pipelines/reward_forcing/modules/causal_model.py
"""

from __future__ import annotations

from torch import Tensor

from rushes.models.caches.kv_cache import PlacesValues, RotateKeys, Seen
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.snapshot import Snapshot
from rushes.models.caches.window import Window

KEPT = 0.999  # of a sink at each eviction; a constant in the reference too


class EmaSinkCache(PlacesValues):
    """A rolling window of keys that are turned when they are used, by their place in the window.

    So positions never grow beyond the window. Where exactly as many frames leave as there are
    sinks, the sinks move towards them; where fewer or more leave, they replace the sinks.
    """

    rotates_keys = True

    def __init__(
        self, sizes: SlotSizes, *, sinks: int, rotate_keys: RotateKeys, kept: float = KEPT
    ) -> None:
        self.window = Window(sizes, sinks)
        self._rotate_keys, self._kept = rotate_keys, kept

    def reset(self) -> None:
        """Forget everything."""
        self.window.reset()

    def begin_chunk(self, start: int, count: int) -> int:
        """Make room for a chunk; return its place in the window, which turns its queries."""
        evicted = self.window.num_evicted(start, count)
        if evicted:
            self._take_in(evicted)
        self.window.aim(start, count)
        return self.window.first

    def _take_in(self, evicted: int) -> None:
        """Let the sinks take in the frames behind them, which are about to leave."""
        sinks = self.window.sinks
        frames = self.window.frames
        if evicted == sinks:
            leaving = frames[:, :, :, sinks : 2 * sinks]
            frames[:, :, :, :sinks] = (
                self._kept * frames[:, :, :, :sinks] + (1 - self._kept) * leaving
            )
        else:
            replaced = min(evicted, sinks)
            frames[:, :, :, :replaced] = frames[:, :, :, sinks : sinks + replaced].clone()

    def value_slot(self, block: int) -> Tensor:
        return self.window.value_slot(block)

    def write(self, block: int, k: Tensor, v: Tensor | None) -> Seen:
        self.window.write(block, k, v)
        keys, values = self.window.read(block, 0, self.window.stop)
        return self._rotate_keys(keys, 0), values

    def snapshot(self) -> Snapshot:
        """Return the filled slots and the counters."""
        return self.window.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a cache of the same sizes."""
        self.window.restore(snapshot)

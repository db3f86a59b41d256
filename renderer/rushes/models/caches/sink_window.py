"""LongLive's memory: a rolling window whose sinks stay what they are when it is filled again.

Source: scope: src/scope/core/pipelines/longlive/modules/causal_model.py, blocks/recache_frames.py
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rushes.models.caches.kv_cache import PlacesValues, Seen
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.snapshot import Snapshot
from rushes.models.caches.window import Window


class SinkWindowCache(PlacesValues):
    """A window that rolls behind its sinks, and can be filled again from clean latents.

    Filling it again spares the sinks, unless it begins with the very first frame. With
    ``keeps_sinks`` off nothing is spared.

    The references spare the sinks in every pass over frames that are there already. That makes a
    difference only where a chunk is shorter than the sinks, whose first noisy keys would then stay.
    """

    rotates_keys = False

    def __init__(self, sizes: SlotSizes, *, sinks: int, keeps_sinks: bool = True) -> None:
        self.window = Window(sizes, sinks)
        self.keeps_sinks = keeps_sinks
        self._spared = 0

    def reset(self) -> None:
        """Forget everything."""
        self.window.reset()

    def begin_chunk(self, start: int, count: int, text_keys: Sequence[Tensor]) -> int:
        """Make room for a chunk; return the position that its keys are turned by."""
        self.window.aim(start, count)
        self._spared = 0
        return start

    def begin_recache(self, start: int, count: int, text_keys: Sequence[Tensor]) -> int:
        """Say that a pass over the last ``count`` frames follows, under another prompt."""
        self.window.aim(start, count)
        if not self.keeps_sinks:
            self.window.frames.zero_()
        is_spared = self.keeps_sinks and start > 0
        self._spared = max(0, self.window.sinks - self.window.first) if is_spared else 0
        return start

    def begin_clean_pass(self) -> None:
        """Say that the last pass over the chunk follows; here all passes are alike."""

    def value_slot(self, block: int) -> Tensor | None:
        return None if self._spared else self.window.value_slot(block)

    def write(self, block: int, k: Tensor, v: Tensor | None) -> Seen:
        self.window.write(block, k, v, self._spared)
        return self.window.read(block, 0, self.window.stop)

    def snapshot(self) -> Snapshot:
        """Return the filled slots and the counters."""
        return self.window.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a cache of the same sizes."""
        self.window.restore(snapshot)

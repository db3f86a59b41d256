"""Slots of frames that roll to the left behind sinks, as the caches of the model family share them.

Source: scope: src/scope/core/pipelines/longlive/modules/causal_model.py
"""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.errors import ShapeError
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.snapshot import Snapshot


class Window:
    """Keys and values of every block by slot, how many slots are filled, and where a pass writes.

    A pass over a chunk that reaches beyond ``end`` is its first one: it fills further slots, and
    evicts the oldest frames behind the sinks where there is no room. Every other pass lands on the
    slots that the chunk has already.
    Units: latent frames.
    """

    def __init__(self, sizes: SlotSizes, sinks: int) -> None:
        """Raises: ShapeError when the sinks leave no room."""
        if not 0 <= sinks < sizes.window:
            raise ShapeError(f"{sinks} sink frames leave no room in a window of {sizes.window}")
        self.sizes = sizes
        self.sinks = sinks
        # [blocks, keys and values, 1, slots, tokens, heads, head width]
        self.frames = torch.zeros(
            sizes.num_blocks,
            2,
            1,
            sizes.window,
            sizes.frame_tokens,
            sizes.num_heads,
            sizes.head_dim,
            dtype=sizes.dtype,
            device=sizes.device,
        )
        self.filled = 0
        self.end = 0  # position behind the last frame
        self.first = self.stop = 0  # slots of the pass

    def reset(self) -> None:
        """Forget everything."""
        self.frames.zero_()
        self.filled = self.end = self.first = self.stop = 0

    def num_evicted(self, start: int, count: int) -> int:
        """Return how many frames behind the sinks a pass over a chunk would push out."""
        is_new = start + count > self.end
        return max(0, self.filled + count - self.sizes.window) if is_new else 0

    def aim(self, start: int, count: int) -> None:
        """Choose the slots of a pass over ``count`` frames from ``start`` on, and make room.

        Raises: ShapeError when the chunk does not fit.
        """
        growth = max(0, start + count - self.end)
        evicted = self.num_evicted(start, count)
        stop = self.filled + growth - evicted
        kept = self.filled - evicted - self.sinks
        if stop < count or (evicted and kept < 0):
            raise ShapeError(
                f"a chunk of {count} frames does not fit a window of {self.sizes.window} with "
                f"{self.sinks} sinks"
            )
        if evicted:
            for slot in range(self.sinks, self.sinks + kept):  # ascending: never overlaps
                self.frames[:, :, :, slot] = self.frames[:, :, :, slot + evicted]
        self.first, self.stop = stop - count, stop
        self.filled, self.end = stop, max(self.end, start + count)

    def value_slot(self, block: int) -> Tensor:
        """Return where the values of the pass belong: [S, N * D]."""
        return self.frames[block, 1, 0, self.first : self.stop].flatten(0, 1).flatten(1)

    def write(self, block: int, k: Tensor, v: Tensor | None, skipped: int = 0) -> None:
        """Put the frames of the pass into its slots, all but the first ``skipped``.

        Values that are in place already are ``None``.

        Shapes:
            k, v: [1, S, N, D]
        """
        for stored, new in zip(self.frames[block], (k, v), strict=True):
            if new is None:
                continue
            frames = new.unflatten(1, (self.stop - self.first, -1))
            stored[:, self.first + skipped : self.stop] = frames[:, skipped:]

    def read(self, block: int, first: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of some slots.

        Shapes:
            returns: [1, (stop - first) * tokens, N, D]
        """
        k, v = self.frames[block, :, :, first:stop].flatten(2, 3).unbind(0)
        return k, v

    def snapshot(self) -> Snapshot:
        """Return the filled slots and the counters."""
        return Snapshot(
            {"frames": self.frames[:, :, :, : self.filled]},
            {"filled": self.filled, "end": self.end},
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a window of the same sizes, before its next chunk."""
        self.reset()
        self.filled, self.end = snapshot.values["filled"], snapshot.values["end"]
        self.frames[:, :, :, : self.filled] = snapshot.tensors["frames"]

"""A window of slots that is written round and round behind its sink frames.

Frame n of a stream goes to slot n, and once the window is full to the oldest slot behind the sinks.
So nothing is ever moved, whatever the lengths of chunks, and every pass over a chunk writes the
same slots. This is what the ring buffer of the research system is meant to be; see
``queue_cache`` for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rushes.errors import ShapeError
from rushes.models.caches.kv_cache import Seen
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.slots import Slots, sink_similarity
from rushes.models.caches.snapshot import Snapshot


class RingKVCache:
    """Slots for every block and row; all that the host decides follows from the chunks' lengths.

    With ``refresh_below``, a new frame takes the place of the sink frame that is least like it, if
    that one's similarity is below it. Every block and row decides for itself, on the device, once
    a chunk and only when the window is full; the ring then stays where it is.
    """

    rotates_keys = False

    def __init__(self, sizes: SlotSizes, *, sinks: int, refresh_below: float | None = None) -> None:
        if not 0 <= sinks < sizes.window:
            raise ShapeError(f"{sinks} sink frames leave no room in a window of {sizes.window}")
        self.slots = Slots(sizes)
        self.sinks = sinks
        self._refresh_below = -1.0 if refresh_below is None else refresh_below  # -1: never
        self._written = torch.zeros(  # frames so far, those that renewed a sink not counted
            sizes.num_blocks, sizes.rows, dtype=torch.long, device=sizes.device
        )
        self.begin_stream(num_steps=1)

    def begin_stream(self, num_steps: int) -> None:
        """Forget everything. How many passes a chunk takes makes no difference here."""
        self.slots.frames.zero_()
        self._written.zero_()
        self._filled = [0] * self.slots.sizes.rows
        self._starts: list[int | None] = [None] * self.slots.sizes.rows
        self.targets = self._written.new_zeros(*self._written.shape, 0)  # [blocks, rows, T]
        self._may_refresh = self._written.new_zeros(self.slots.sizes.rows, dtype=torch.bool)
        self._undecided: set[int] = set()

    def begin_chunk(self, starts: Sequence[int], num_frames: int) -> None:
        """Choose the slots of each row's chunk; one that starts where the last did keeps its own.

        Raises: ShapeError when a chunk is longer than what may be overwritten.
        """
        rows, window = len(starts), self.slots.sizes.window
        is_new = [
            start != before or num_frames != self.targets.shape[2]
            for start, before in zip(starts, self._starts, strict=False)
        ]
        was_full = [filled == window for filled in self._filled[:rows]]
        for row, filled in enumerate(self._filled[:rows]):
            if is_new[row]:
                self._check_room(filled, num_frames)
                self._filled[row] = min(filled + num_frames, window)
                self._starts[row] = starts[row]
        new = torch.tensor(is_new, device=self._written.device)
        self._aim(new, num_frames)
        can_refresh = self.sinks > 0 and self._refresh_below > -1 and num_frames == 1
        refreshing = [can_refresh and n and full for n, full in zip(is_new, was_full, strict=True)]
        self._may_refresh = torch.tensor(refreshing, device=self._written.device)
        self._undecided = set(range(self.slots.sizes.num_blocks)) if any(refreshing) else set()

    def _check_room(self, filled: int, num_frames: int) -> None:
        window = self.slots.sizes.window
        if num_frames > window - (self.sinks if filled + num_frames > window else 0):
            raise ShapeError(
                f"a chunk of {num_frames} frames exceeds the window of {window} with "
                f"{self.sinks} sinks"
            )

    def _aim(self, new: Tensor, num_frames: int) -> None:
        """Point rows with a new chunk at the next slots of the ring, in every block.

        Shapes:
            new: [B], whether the row has a new chunk
        """
        rows = len(new)
        frames = torch.arange(num_frames, device=new.device)
        number = self._written[:, :rows, None] + frames  # [blocks, B, T]
        ring = self.slots.sizes.window - self.sinks
        targets = torch.where(
            number < self.sinks, number, self.sinks + (number - self.sinks) % ring
        )
        if self.targets.shape[2] != num_frames:
            self.targets = targets.new_zeros(*self._written.shape, num_frames)
        self.targets[:, :rows] = torch.where(new[:, None], targets, self.targets[:, :rows])
        self._written[:, :rows] += num_frames * new

    def write(self, block: int, k: Tensor, v: Tensor | None) -> Seen:
        assert v is not None
        k = k.to(v.dtype)
        if block in self._undecided:
            self._undecided.discard(block)
            self._refresh_sinks(block, k, v)
        self.slots.write(block, k, v, self.targets[block, : len(k)])
        return self.slots.seen(block, self._filled[: len(k)])

    def _refresh_sinks(self, block: int, k: Tensor, v: Tensor) -> None:
        """Let the new frame take the place of the sink frame that is least like it."""
        rows = len(k)
        sink_frames = self.slots.frames[block, :, :rows, : self.sinks]
        least, sink = sink_similarity(sink_frames, k, v).min(dim=1)  # [B]
        renews = (least < self._refresh_below) & self._may_refresh
        self.targets[block, :rows, 0] = torch.where(renews, sink, self.targets[block, :rows, 0])
        self._written[block, :rows] -= renews.long()

    def share_first_row(self) -> None:
        """Let all rows go on from where row 0 is."""
        self.slots.share_first_row()
        self._written[:, 1:] = self._written[:, :1]
        self.targets[:, 1:] = self.targets[:, :1]
        self._filled[1:] = self._filled[:1] * (len(self._filled) - 1)
        self._starts[1:] = self._starts[:1] * (len(self._starts) - 1)

    def snapshot(self) -> Snapshot:
        """Return the filled slots and where the ring of each block and row is."""
        tensors = {
            "frames": self.slots.frames[:, :, :, : max(self._filled)],
            "written": self._written,
            "targets": self.targets,
        }
        return Snapshot(tensors, {"filled": list(self._filled), "starts": list(self._starts)})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a cache of the same sizes, before its next chunk."""
        self.begin_stream(num_steps=1)
        self._filled = list(snapshot.values["filled"])
        self._starts = list(snapshot.values["starts"])
        self._written.copy_(snapshot.tensors["written"])
        self.targets = snapshot.tensors["targets"].clone()
        self.slots.frames[:, :, :, : max(self._filled)] = snapshot.tensors["frames"]

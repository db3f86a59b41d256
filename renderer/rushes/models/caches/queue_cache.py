"""The ring-buffer cache of the research system, exactly as it behaves.

Frames are overwritten in place, in the order of a queue that every block and row keeps. Nobody
would design all of this: sinks that the first chunk covers have no effect, a countdown slips once
the window is full, sink frames are condemned before they are written. ``RingKVCache`` is what we
use instead; docs/numerics.md has the differences.

Source: sdv2: models/wan/causal_model.py (CausalWanSelfAttention)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor

from rushes.errors import ShapeError
from rushes.models.caches.kv_cache import Seen
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.slots import Slots, sink_similarity
from rushes.models.caches.snapshot import Snapshot


@dataclass
class RowState:
    """What one block remembers of one row, in latent frames."""

    queue: list[int] = field(default_factory=list)  # slots at which the next writes end
    filled: int = 0  # slots that count as valid
    end: int = 0  # position behind the last chunk


class QueueKVCache:
    """A window of slots whose targets come from a queue.

    With ``refresh_below``, a new frame takes the place of the sink frame that is least like it, if
    that one's similarity is below it. Every block and row decides for itself, at every pass, from
    numbers on the device: the host waits for them.
    """

    rotates_keys = False

    def __init__(self, sizes: SlotSizes, *, sinks: int, refresh_below: float | None = None) -> None:
        self.slots = Slots(sizes)
        self.sinks = sinks
        self.refresh_below = refresh_below
        self.similarity: dict[int, Tensor] = {}  # of the last pass, by block, for inspection
        self.begin_stream(num_steps=1)

    def begin_stream(self, num_steps: int) -> None:
        """Forget everything; chunks of so many denoising steps will follow."""
        sizes = self.slots.sizes
        self.slots.frames.zero_()
        self.num_steps = num_steps
        self.steps_left = [num_steps] * sizes.num_blocks
        self.states = [[RowState() for _ in range(sizes.rows)] for _ in range(sizes.num_blocks)]
        self.targets: list[list[int]] = [[] for _ in range(sizes.num_blocks)]  # of the last pass
        self._starts: list[int] = []
        self._num_frames = 0

    def begin_chunk(self, starts: Sequence[int], num_frames: int) -> None:
        """Say where the chunk of each row starts; all passes until the next call are over these."""
        self._starts, self._num_frames = list(starts), num_frames

    def write(self, block: int, k: Tensor, v: Tensor | None) -> Seen:
        assert v is not None
        k = k.to(v.dtype)
        states = self.states[block][: len(self._starts)]
        self._refresh_sinks(block, states, k, v)
        self.targets[block] = [
            self._target(block, state, start)
            for state, start in zip(states, self._starts, strict=True)
        ]
        first_slots = torch.tensor(self.targets[block]).unsqueeze(1) - self._num_frames
        slots = first_slots + torch.arange(self._num_frames)  # [B, T]
        self.slots.write(block, k, v, slots.to(k.device))
        return self.slots.seen(block, [state.filled for state in states])

    def _refresh_sinks(self, block: int, states: list[RowState], k: Tensor, v: Tensor) -> None:
        """Put the sink frame that is least like a new frame at the queue's front."""
        if not self.sinks or self.refresh_below is None or self._num_frames != 1:
            return
        sink_frames = self.slots.frames[block, :, : len(states), : self.sinks]
        self.similarity[block] = sink_similarity(sink_frames, k, v)
        for state, row in zip(states, self.similarity[block].tolist(), strict=True):
            if min(row) < self.refresh_below:
                state.queue.insert(0, row.index(min(row)) + 1)

    def _target(self, block: int, state: RowState, start: int) -> int:
        """Choose the slot at which a chunk's frames end, and move the queue on."""
        window, count = self.slots.sizes.window, self._num_frames
        end = start + count
        if end > window or state.filled >= window:
            target = self._next_of_queue(block, state)
            state.filled = window
        else:
            state.filled += end - state.end  # nothing if it is the same chunk again
            target = state.filled
            following = end + count
            if self.sinks < following <= window and state.queue[-1:] != [following]:
                state.queue.append(following)
        state.end = end
        if not count <= target <= window:
            raise ShapeError(f"a chunk of {count} frames does not fit the slots before {target}")
        return target

    def _next_of_queue(self, block: int, state: RowState) -> int:
        if not state.queue:
            raise ShapeError(
                f"the window of {self.slots.sizes.window} frames is full before any of them may "
                "go; use a larger window or a shorter first chunk"
            )
        if len(self._starts) == 1 and self.steps_left[block] > 1:
            self.steps_left[block] -= 1
            return state.queue[0]
        self.steps_left[block] = self.num_steps
        target = state.queue.pop(0)
        if target > self.sinks:
            state.queue.append(target)
        return target

    def share_first_row(self) -> None:
        """Let all rows go on from where row 0 is."""
        self.slots.share_first_row()
        for states in self.states:
            states[1:] = [replace(states[0], queue=list(states[0].queue)) for _ in states[1:]]

    def snapshot(self) -> Snapshot:
        """Return the filled slots and all bookkeeping."""
        filled = max(state.filled for states in self.states for state in states)
        values = {
            "num_steps": self.num_steps,
            "steps_left": list(self.steps_left),
            "states": [[asdict(state) for state in states] for states in self.states],
        }
        return Snapshot({"frames": self.slots.frames[:, :, :, :filled]}, values)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a cache of the same sizes."""
        values = snapshot.values
        self.begin_stream(values["num_steps"])
        self.steps_left = list(values["steps_left"])
        self.states = [[RowState(**state) for state in states] for states in values["states"]]
        frames = snapshot.tensors["frames"]
        self.slots.frames[:, :, :, : frames.shape[3]] = frames

"""Keys and values of past latent frames, for the self-attention of every block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from rushes.errors import ShapeError
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.snapshot import Snapshot

# Keys and values; where rows differ in it, also how many tokens each row may attend to; where
# keys weigh differently, also what is added to the score of each, [S_kv].
Seen = (
    tuple[Tensor, Tensor]
    | tuple[Tensor, Tensor, Sequence[int] | None]
    | tuple[Tensor, Tensor, Sequence[int] | None, Tensor]
)


@dataclass(frozen=True)
class SeenByRow:
    """What each row of a batch sees, where rows have caches of their own."""

    rows: tuple[Seen | SeenByRow, ...]


# Keys of whole frames, [B, S, N, D], and the position of the first -> the same, turned by theirs.
RotateKeys = Callable[[Tensor, int], Tensor]


class KVCache(Protocol):
    """What a block's self-attention needs of a cache.

    With ``rotates_keys`` it is given keys as they are made, and turns them itself.
    """

    rotates_keys: bool

    def write(self, block: int, k: Tensor, v: Tensor | None) -> Seen | SeenByRow:
        """Store the chunk's keys and values; return all that its queries may attend to.

        Keys may come in float32 whatever the values' type. Values that ``PlacesValues`` has in
        place already are ``None``.

        Shapes:
            k, v: [B, S, N, D], keys rotated unless ``rotates_keys``
            returns: k and v [B, S_kv, N, D], keys rotated
        """
        ...


class PlacesValues:
    """A cache that lets a block compute its values where they are to stay."""

    def value_slot(self, block: int) -> Tensor | None:
        """Return the memory of the values of the pass, or nothing where there is no single one.

        Shapes:
            returns: [B * S, N * D]
        """
        raise NotImplementedError


class RowCache(KVCache, Protocol):
    """A cache for a batch of rows, each with a stream of its own."""

    def begin_stream(self, num_steps: int) -> None:
        """Forget everything; chunks of so many denoising steps will follow."""
        ...

    def begin_chunk(self, starts: Sequence[int], num_frames: int) -> None:
        """Say at which latent frame the chunk of each row starts."""
        ...

    def share_first_row(self) -> None:
        """Let all rows go on from where row 0 is."""
        ...

    def snapshot(self) -> Snapshot:
        """Return the filled slots and all that decides about the next ones."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a cache of the same sizes."""
        ...


class RollingKVCache(PlacesValues):
    """A window of frames that rolls to the left behind its sink frames.

    ``begin_chunk`` makes room for a chunk once; every pass over that chunk (each denoising step
    and the clean pass) then overwrites the same slots. All slots are decided here on the host, so
    shapes and addresses are the same for every chunk once the window is full.

    With ``spare`` slots in front of the window, which hold the frames that went last, two chunks
    of that length may be passed over at once (``begin_pair``): the clean one before, which sees
    those, and a new one, which does not.

    Source: scope: src/scope/core/pipelines/streamdiffusionv2/modules/causal_model.py
    """

    rotates_keys = False

    def __init__(self, sizes: SlotSizes, *, sinks: int, spare: int = 0) -> None:
        self.spare = spare
        self.window = sizes.window
        self.sinks = sinks
        self.frame_tokens = sizes.frame_tokens
        # [blocks, keys and values, rows, frames, tokens, heads, head width]
        self._memory = replace(sizes, window=spare + sizes.window).zeros()
        self.frames = self._memory[:, :, :, spare:]
        self._is_pair = False
        self.positions: list[int] = []  # of the frame in each filled slot
        self.chunk_frames = 0

    @property
    def layout(self) -> tuple[object, ...] | None:
        """What tells apart the passes over a full window: all of one kind do the same work."""
        if len(self.positions) < self.window:
            return None
        return self._is_pair, self.chunk_frames, self._memory.data_ptr()

    def reset(self) -> None:
        """Forget everything."""
        self.frames.zero_()
        self.positions.clear()
        self.chunk_frames = 0
        self._is_pair = False

    def can_pair(self, num_frames: int) -> bool:
        """Say whether the chunk before and a new one may be passed over at once.

        The window must be full, and what the new chunk pushes out be older than the one before.
        """
        is_full = len(self.positions) == self.window
        fits = num_frames == self.spare == self.chunk_frames
        return is_full and fits and self.window - self.sinks >= 2 * num_frames

    def begin_pair(self, start_frame: int, num_frames: int) -> int:
        """Make room for a chunk; the next pass has two rows, that of the chunk before and its own.

        What the chunk before sees lies in one piece, and so does what the new one sees.
        """
        assert self.can_pair(num_frames)
        leaving = self.frames[:, :, :, self.sinks : self.sinks + num_frames]
        self._memory[:, :, :, :num_frames] = leaving
        self.begin_chunk(start_frame, num_frames)
        self._is_pair = True
        return start_frame

    def end_pair(self) -> None:
        """Say that the passes that follow are over the new chunk alone."""
        self._is_pair = False

    def begin_chunk(self, start_frame: int, num_frames: int) -> int:
        """Make room for a chunk at the window's end; the oldest frames behind the sinks go.

        Returns the position that the chunk is turned by.
        Raises: ShapeError when the chunk is longer than the window.
        """
        if num_frames > self.window:
            raise ShapeError(f"a chunk of {num_frames} frames exceeds the window of {self.window}")
        filled = len(self.positions)
        evicted = max(0, filled + num_frames - self.window)
        kept = filled - evicted - self.sinks
        if evicted:
            for slot in range(self.sinks, self.sinks + kept):  # ascending: never overlaps
                self.frames[:, :, :, slot] = self.frames[:, :, :, slot + evicted]
                self.positions[slot] = self.positions[slot + evicted]
            del self.positions[self.window - num_frames :]
        self.positions.extend(range(start_frame, start_frame + num_frames))
        self.chunk_frames = num_frames
        return start_frame

    def snapshot(self) -> Snapshot:
        """Return the filled slots and what is in them."""
        filled = self.frames[:, :, :, : len(self.positions)]
        values = {"positions": list(self.positions), "chunk_frames": self.chunk_frames}
        return Snapshot({"frames": filled}, values)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a cache of the same sizes."""
        self.reset()
        self.positions = list(snapshot.values["positions"])
        self.chunk_frames = snapshot.values["chunk_frames"]
        self.frames[:, :, :, : len(self.positions)] = snapshot.tensors["frames"]

    def value_slot(self, block: int) -> Tensor:
        return self._written(block)[1].flatten(0, 1).flatten(1)

    def write(self, block: int, k: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        keys, values = self._written(block)
        keys.copy_(k.reshape(keys.shape))
        if v is not None:
            values.copy_(v.reshape(values.shape))
        if self._is_pair:
            keys, values = self._memory[block, :, 0]
            return self._overlapping(keys), self._overlapping(values)
        keys, values = self.frames[block, :, :, : len(self.positions)].flatten(2, 3)
        return keys, values

    def _written(self, block: int) -> Tensor:
        """Return the slots that the pass writes: [2, frames, tokens, N, D]."""
        end = self.spare + len(self.positions)
        count = self.chunk_frames * (2 if self._is_pair else 1)
        return self._memory[block, :, 0, end - count : end]

    def _overlapping(self, slots: Tensor) -> Tensor:
        """Show each row of a pair its own window, without a copy.

        Shapes:
            slots: [spare + window, tokens, N, D]
            returns: [2, window * tokens, N, D]
        """
        _, tokens, heads, width = slots.shape
        frame = tokens * heads * width
        return slots.as_strided(
            (2, self.window * tokens, heads, width),
            (self.spare * frame, heads * width, width, 1),
            slots.storage_offset(),
        )

"""What the convolutions of an autoencoder remember of a stream between chunks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

from rushes.errors import ShapeError
from rushes.models.caches.snapshot import Snapshot

_FEW = 2**25  # values of a history up to which it is moved together with others


class FeatureCache:
    """The trailing frames of the input of every temporal convolution, for one stream direction.

    Each slot has a buffer with room for these frames and a chunk behind them, so a chunk is written
    where it is read, and nothing is joined. Buffers last as long as the cache, at the same
    addresses. Only where gradients are computed, or ``keeps_room`` is off to save memory, is every
    chunk given a new one. A slot that lacks frames counts as zeros in front, which is what the
    convolutions pad with.
    """

    def __init__(self) -> None:
        self.keeps_room = True
        self.is_first_call = True
        self._has_moved = True  # something lies elsewhere than in the call before
        self._is_steady = False
        self._size: tuple[int, ...] | None = None
        self._buffers: dict[int, Tensor] = {}  # [B, history + T, H, W, C] each
        self._histories: dict[int, Tensor] = {}  # of the slots that have one: [B, history, H, W, C]
        self._moves: defaultdict[int, list[tuple[Tensor, Tensor]]] = defaultdict(list)

    @property
    def slots(self) -> dict[int, Tensor]:
        """The remembered frames by slot: [B, T, H, W, C] each."""
        return dict(self._histories)

    @property
    def num_bytes(self) -> int:
        """What the buffers take."""
        return sum(buffer.untyped_storage().nbytes() for buffer in self._buffers.values())

    @property
    def layout(self) -> tuple[object, ...] | None:
        """Where everything lies, once a call has left it where it was; calls are then alike."""
        if not self._is_steady or self._has_moved:
            return None
        return tuple(
            (slot, buffer.data_ptr(), buffer.shape) for slot, buffer in self._buffers.items()
        )

    def reset(self) -> None:
        """Start a new stream; the buffers stay."""
        self._has_moved = True
        self._histories.clear()
        self._moves.clear()
        self.is_first_call = True
        self._size = None

    def extend(
        self, slot: int, x: Tensor, num_frames: int, write: Callable[[Tensor], object] | None = None
    ) -> Tensor:
        """Return the remembered frames with a chunk behind them; ``keep`` is to follow.

        ``write`` fills the room of the chunk, shaped as ``x``, where it is not a copy of ``x``.

        Shapes:
            x: [B, T, H, W, C]
            returns: [B, num_frames + T, H, W, C]
        """
        joined = self._joined(slot, x, num_frames)
        room = joined[:, num_frames:]
        if write is None:
            room.copy_(x)
        else:
            write(room)
        return joined

    def keep(self, slot: int, joined: Tensor, num_frames: int) -> None:
        """Have the last frames of what ``extend`` returned remembered when the call ends."""
        last = joined[:, -num_frames:]
        if torch.is_grad_enabled():  # what is read may be read again, backwards
            self._histories[slot] = last
            return
        if not self.keeps_room:
            self._histories[slot] = last.clone()
            return
        history, step = self._histories[slot], joined.shape[1] - num_frames
        for turn, begin in enumerate(range(0, num_frames, step)):
            end = min(begin + step, num_frames)
            move = (history[:, begin:end], joined[:, begin + step : end + step])
            self._moves[turn].append(move)

    def end_call(self) -> None:
        """Note that the whole network has seen a chunk, and remember its last frames.

        Small histories are moved together, for on a GPU a launch takes longer than the copy.
        """
        self._is_steady, self._has_moved = not self._has_moved, False
        self.is_first_call = False
        moves, self._moves = self._moves, defaultdict(list)
        for turn in sorted(moves):  # frames make room for each other, the oldest first
            together = [move for move in moves[turn] if move[0].numel() < _FEW]
            if together:
                histories, ends = ([move[side] for move in together] for side in (0, 1))
                torch._foreach_copy_(histories, ends)
            for history, last in moves[turn]:
                if history.numel() >= _FEW:
                    history.copy_(last)

    def _joined(self, slot: int, x: Tensor, num_frames: int) -> Tensor:
        """Return a buffer for a slot, as long as needed, with the history in front."""
        length = num_frames + x.shape[1]
        stays = self.keeps_room and not torch.is_grad_enabled()
        buffer, history = self._buffers.get(slot), self._histories.get(slot)
        is_new = not stays or buffer is None or not _has_room(buffer, x, length)
        self._has_moved |= is_new or history is None
        if is_new or buffer is None:
            buffer = x.new_empty(x.shape[0], length, *x.shape[2:])
        front = buffer[:, :num_frames]
        if history is None:
            front.zero_()
        elif is_new:
            front.copy_(history)
        if stays:
            self._buffers[slot], self._histories[slot] = buffer, front
        return buffer[:, :length]

    def snapshot(self) -> Snapshot:
        """Return the remembered frames and whether the stream has begun; the next chunk changes it.

        The frames are views, as in the snapshots of other caches: who keeps them copies them.
        """
        tensors = {str(slot): tensor for slot, tensor in self._histories.items()}
        return Snapshot(tensors, {"is_first_call": self.is_first_call, "size": self._size})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a stream of the same network; buffers that fit stay."""
        self._has_moved = True
        self._moves.clear()
        self._histories = {
            int(slot): self._restored(int(slot), tensor)
            for slot, tensor in snapshot.tensors.items()
        }
        self.is_first_call = snapshot.values["is_first_call"]
        size = snapshot.values["size"]
        self._size = None if size is None else tuple(size)

    def _restored(self, slot: int, history: Tensor) -> Tensor:
        """Copy a history to the front of its buffer, or without one to memory of its own."""
        buffer, num_frames = self._buffers.get(slot), history.shape[1]
        fits = buffer is not None and _has_room(buffer, history, num_frames + 1)
        if buffer is not None and fits and self.keeps_room and _can_write(buffer):
            front = buffer[:, :num_frames]
            front.copy_(history)
            return front
        self._buffers.pop(slot, None)
        return history.clone()

    def check_size(self, size: tuple[int, ...]) -> None:
        """Hold the stream to the height and width that it started with."""
        if self._size is None:
            self._size = tuple(size)
        elif self._size != tuple(size):
            raise ShapeError(
                f"size changed from {self._size} to {tuple(size)} in mid-stream; reset first"
            )


def _has_room(buffer: Tensor, x: Tensor, length: int) -> bool:
    same = buffer.shape[0] == x.shape[0] and buffer.shape[2:] == x.shape[2:]
    alike = buffer.dtype == x.dtype and buffer.device == x.device
    return same and alike and buffer.shape[1] >= length


def _can_write(buffer: Tensor) -> bool:
    """Say whether a buffer may be changed: what is made in inference mode only in it."""
    return torch.is_inference_mode_enabled() or not buffer.is_inference()

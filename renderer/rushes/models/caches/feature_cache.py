"""What the Stream-VAE's convolutions remember of a stream between chunks."""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.errors import ShapeError
from rushes.models.caches.snapshot import Snapshot


class FeatureCache:
    """The trailing frames of the input of every temporal convolution, for one stream direction.

    A slot that lacks frames counts as zeros in front, which is what the convolutions pad with.
    """

    def __init__(self) -> None:
        self.slots: dict[int, Tensor] = {}  # [B, C, T, H, W] each
        self.is_first_call = True
        self._size: tuple[int, ...] | None = None

    def reset(self) -> None:
        """Start a new stream."""
        self.slots.clear()
        self.is_first_call = True
        self._size = None

    def end_call(self) -> None:
        """Note that the whole network has seen a chunk."""
        self.is_first_call = False

    def extend(self, slot: int, x: Tensor, num_frames: int) -> Tensor:
        """Put the remembered frames in front of a chunk, and remember its last ones instead.

        Shapes:
            x: [B, C, T, H, W]
            returns: [B, C, num_frames + T, H, W]
        """
        history = self.slots.get(slot)
        if history is None:
            history = x.new_zeros(*x.shape[:2], num_frames, *x.shape[3:])
        joined = torch.cat((history, x), dim=2)
        self.slots[slot] = joined[:, :, -num_frames:].clone()
        return joined

    def snapshot(self) -> Snapshot:
        """Return the slots and whether the stream has begun."""
        tensors = {str(slot): tensor for slot, tensor in self.slots.items()}
        return Snapshot(tensors, {"is_first_call": self.is_first_call, "size": self._size})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a stream of the same network."""
        self.slots = {int(slot): tensor for slot, tensor in snapshot.tensors.items()}
        self.is_first_call = snapshot.values["is_first_call"]
        size = snapshot.values["size"]
        self._size = None if size is None else tuple(size)

    def check_size(self, size: tuple[int, ...]) -> None:
        """Hold the stream to the height and width that it started with."""
        if self._size is None:
            self._size = tuple(size)
        elif self._size != tuple(size):
            raise ShapeError(
                f"size changed from {self._size} to {tuple(size)} in mid-stream; reset first"
            )
